//! `kafka-acls` in process.

use std::fmt::Write as _;

use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::{CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest, DescribeAclsResponse};

use super::acls::{Acls, OPERATIONS, PATTERNS, PERMISSIONS, RESOURCES, Rule, word};
use super::wire::Cluster;
use super::wire::cluster::{error_words, text};

/// Adds, removes or lists rules.
///
/// # Errors
/// The brokers' words.
pub fn carry_out(cluster: &mut Cluster, acls: &Acls) -> Result<String, String> {
    match acls {
        Acls::Add(rules) => {
            let creations = rules.iter().map(|rule| {
                AclCreation::default()
                    .with_resource_type(rule.resource)
                    .with_resource_name(text(rule.name.as_deref().unwrap_or_default()))
                    .with_resource_pattern_type(rule.pattern)
                    .with_principal(text(rule.principal.as_deref().unwrap_or_default()))
                    .with_host(text(rule.host.as_deref().unwrap_or("*")))
                    .with_operation(rule.operation)
                    .with_permission_type(rule.permission)
            });
            let request = CreateAclsRequest::default().with_creations(creations.collect());
            let answer = cluster.ask_controller(&request).map_err(|f| f.message)?;
            let refused = answer.results.iter().find(|r| r.error_code != 0);
            if let Some(refused) = refused {
                return Err(words(refused.error_code, refused.error_message.as_ref().map(|m| m.as_str())));
            }
            Ok(rules.iter().map(|rule| format!("Added {}\n", rule_words(rule))).collect())
        }
        Acls::Remove(filters) => {
            let filters = filters.iter().map(|rule| {
                DeleteAclsFilter::default()
                    .with_resource_type_filter(rule.resource)
                    .with_resource_name_filter(rule.name.as_deref().map(text))
                    .with_pattern_type_filter(rule.pattern)
                    .with_principal_filter(rule.principal.as_deref().map(text))
                    .with_host_filter(rule.host.as_deref().map(text))
                    .with_operation(rule.operation)
                    .with_permission_type(rule.permission)
            });
            let request = DeleteAclsRequest::default().with_filters(filters.collect());
            let answer = cluster.ask_controller(&request).map_err(|f| f.message)?;
            let refused = answer.filter_results.iter().find(|r| r.error_code != 0);
            match refused {
                Some(refused) => Err(words(refused.error_code, refused.error_message.as_ref().map(|m| m.as_str()))),
                None => Ok(String::new()),
            }
        }
        Acls::List(filters) => filters.iter().map(|rule| list(cluster, rule)).collect(),
    }
}

fn words(code: i16, said: Option<&str>) -> String {
    said.filter(|w| !w.is_empty()).map_or_else(|| error_words(code), str::to_owned)
}

/// The rules that match a filter, as one broker knows them, or as whoever answers does.
///
/// # Errors
/// The brokers' words.
pub fn matching_rules(cluster: &mut Cluster, rule: &Rule, node: Option<i32>) -> Result<DescribeAclsResponse, String> {
    let request = DescribeAclsRequest::default()
        .with_resource_type_filter(rule.resource)
        .with_resource_name_filter(rule.name.as_deref().map(text))
        .with_pattern_type_filter(rule.pattern)
        .with_principal_filter(rule.principal.as_deref().map(text))
        .with_host_filter(rule.host.as_deref().map(text))
        .with_operation(rule.operation)
        .with_permission_type(rule.permission);
    let answer = match node {
        Some(node) => {
            let asked = cluster.ask(node, &request);
            asked.map_err(|t| t.failure(&cluster.endpoint).message)?
        }
        None => cluster.ask_any(&request).map_err(|f| f.message)?,
    };
    match answer.error_code {
        0 => Ok(answer),
        code => Err(words(code, answer.error_message.as_ref().map(|m| m.as_str()))),
    }
}

fn list(cluster: &mut Cluster, rule: &Rule) -> Result<String, String> {
    let answer = matching_rules(cluster, rule, None)?;
    let mut said = String::new();
    for resource in &answer.resources {
        for acl in &resource.acls {
            let rule = Rule {
                resource: resource.resource_type,
                name: Some(resource.resource_name.to_string()),
                pattern: resource.pattern_type,
                principal: Some(acl.principal.to_string()),
                host: Some(acl.host.to_string()),
                operation: acl.operation,
                permission: acl.permission_type,
            };
            let _ = writeln!(said, "{}", rule_words(&rule));
        }
    }
    Ok(said)
}

fn rule_words(rule: &Rule) -> String {
    let any = |text: &Option<String>| text.clone().unwrap_or_else(|| "*".to_owned());
    format!(
        "(resourceType={}, name={}, patternType={}, principal={}, host={}, operation={}, permissionType={})",
        word(&RESOURCES, rule.resource),
        any(&rule.name),
        word(&PATTERNS, rule.pattern),
        any(&rule.principal),
        any(&rule.host),
        word(&OPERATIONS, rule.operation),
        word(&PERMISSIONS, rule.permission)
    )
}
