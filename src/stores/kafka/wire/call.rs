//! The requests that are used, each with its answer and the newest version that is spoken. Newer ones name topics by
//! their ids or mean nothing to us.

use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message};

/// A request that is used.
pub trait Call: Encodable + HeaderVersion + Message {
    /// Its number in the protocol.
    const KEY: ApiKey;
    /// The newest version that is spoken.
    const NEWEST: i16;
    /// What comes back.
    type Answer: Decodable + HeaderVersion;
}

macro_rules! calls {
    ($($key:ident $request:ident $answer:ident $newest:literal;)*) => {
        $(impl Call for $request {
            const KEY: ApiKey = ApiKey::$key;
            const NEWEST: i16 = $newest;
            type Answer = $answer;
        })*
    };
}

calls! {
    ApiVersions ApiVersionsRequest ApiVersionsResponse 3;
    SaslHandshake SaslHandshakeRequest SaslHandshakeResponse 1;
    SaslAuthenticate SaslAuthenticateRequest SaslAuthenticateResponse 2;
    Metadata MetadataRequest MetadataResponse 9;
    Produce ProduceRequest ProduceResponse 9;
    Fetch FetchRequest FetchResponse 12;
    ListOffsets ListOffsetsRequest ListOffsetsResponse 6;
    CreateTopics CreateTopicsRequest CreateTopicsResponse 5;
    DeleteTopics DeleteTopicsRequest DeleteTopicsResponse 5;
    CreatePartitions CreatePartitionsRequest CreatePartitionsResponse 3;
    IncrementalAlterConfigs IncrementalAlterConfigsRequest IncrementalAlterConfigsResponse 1;
    DescribeConfigs DescribeConfigsRequest DescribeConfigsResponse 4;
    CreateAcls CreateAclsRequest CreateAclsResponse 3;
    DeleteAcls DeleteAclsRequest DeleteAclsResponse 3;
    DescribeAcls DescribeAclsRequest DescribeAclsResponse 3;
}
