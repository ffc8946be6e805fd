use super::*;

fn one(text: &str) -> Request {
    let mut found = requests(text).unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn bad(text: &str) -> (usize, String) {
    let wrong = requests(text).unwrap_err();
    (wrong.line, wrong.message)
}

#[test]
fn requests_are_read_as_rest_clients_read_them() {
    let text = "### the first\n# words\n// @name index\n\nPUT /products-v1 HTTP/1.1\nContent-Type: application/json\n\
        # @expect 200, 404,5xx\nX-A:b: c\n\n\n{\"a\":\n 1}\n\n###\nhttps://h/x\n\n### only a comment\n# here\n\
        ###\npost _search\n  ?size=1\n  &q=a\n";
    let found = requests(text).unwrap();
    assert_eq!(found.len(), 3);
    let first = &found[0];
    assert_eq!((first.line, first.shown().as_str(), first.name.as_deref()), (5, "PUT /products-v1", Some("index")));
    assert_eq!(first.expect, [200..201, 404..405, 500..600]);
    assert!(first.wants(404) && first.wants(503) && !first.wants(201));
    assert_eq!(first.header("x-a"), Some("b: c"));
    let body = first.body.as_ref().unwrap();
    assert_eq!((body.line, body.text.as_str(), body.form), (11, "{\"a\":\n 1}", Form::Json));
    assert_eq!((found[1].method.as_str(), found[1].target.as_str(), found[1].line), ("GET", "https://h/x", 15));
    assert_eq!((found[2].method.as_str(), found[2].target.as_str()), ("POST", "_search?size=1&q=a"));
    assert!(found[2].wants(204) && !found[2].wants(404) && found[2].body.is_none());
    assert_eq!(requests("# nothing\n\n###\n"), Ok(vec![]));
    assert_eq!(requests(""), Ok(vec![]));
}

#[test]
fn bodies_are_kept_as_they_are() {
    let bulk = one("POST /x/_bulk\n\n{\"index\":{}}\r\n{\"a\":1}\n\n");
    assert_eq!(bulk.body.as_ref().unwrap().text, "{\"index\":{}}\n{\"a\":1}\n");
    assert_eq!(bulk.content_type(), Some("application/x-ndjson"));
    let lines = one("POST /api/v2/write\ncontent-type: text/plain\n\n# m a=1\n m b=2 \n\n\n");
    assert_eq!(lines.body.unwrap().text, "# m a=1\n m b=2 ");
    let json = one("\u{feff}PUT /a\r\n\r\n{\"x\":\r\n\"{{mustache}}\"}\r\n");
    assert_eq!(json.body.unwrap().text, "{\"x\":\r\n\"{{mustache}}\"}");
    assert_eq!(one("PUT /a\r\r{}\r").body.unwrap().text, "{}");
    assert_eq!(one("POST /a/_bulk\nContent-Type: application/json\n\n{}\n{}").body.unwrap().form, Form::Lines);
    assert_eq!(one("GET /a").content_type(), None);
    let noted = one("PUT /a\n\n# why\n{\n  // because\n\"a\": \"# // x\"}\n# end\n").body.unwrap();
    assert_eq!((noted.text.as_str(), noted.form), ("\n{\n\n\"a\": \"# // x\"}\n", Form::Json));
    assert_eq!(one("DELETE /a\n\n# the end\n").body, None);
    assert_eq!(one("POST /_bulk\n\n# why\n{}\n# end").body.unwrap().text, "\n{}\n");
}

#[test]
fn json_that_is_none_is_found_with_its_place() {
    for (text, line, words) in [
        ("PUT /a\n\n{\n  \"a\": 1,\n}", 5, "column 1"),
        ("PUT /a\n\n{\"a\": \"\"\"x\"\"\"}", 3, "column 9"),
        ("POST /_bulk\n\n{}\n{\"a\"}\n", 4, "column 5"),
        ("PUT /a\n\n{}\n###\nPUT /b\n\n# here\n{\n// there\n,}", 10, "column 1"),
        ("PUT /a\nContent-Type: application/json\n\nhello", 4, "column 1"),
    ] {
        let (at, message) = bad(text);
        assert!(at == line && message.contains(words), "{text:?}: {at} {message}");
    }
}

#[test]
fn what_only_an_editor_does_is_refused_with_its_line() {
    for (text, line, words) in [
        ("@host = a\nGET /", 1, "variable"),
        ("GET {{host}}/x", 1, "variable"),
        ("GET /x\nA: {{b}}", 2, "variable"),
        ("PUT /x\n\n{\"a\": \"{{$guid}}\"}", 3, "variable"),
        ("# @prompt x\nGET /x", 1, "asked"),
        ("PUT /x\n\n< ./body.json", 3, "another file"),
        ("GET /x\n\n> {% client.test() %}", 3, "not run"),
        ("GET /a b", 1, "blank"),
        ("SELECT 1", 1, "no method"),
        ("PUT\n", 1, "no path"),
        ("\n{\"a\":1}", 2, "without a request line"),
        ("PUT /x\n{\"a\":1}", 2, "blank line"),
        ("PUT /x\nGET /y", 2, "`###`"),
        ("PUT /x\nhello", 2, "no header"),
        ("# @expects 404\nGET /", 1, "did you mean `@expect`"),
        ("# @expect soon\nGET /", 1, "no status"),
        ("# @expect\nGET /", 1, "names no status"),
        ("# @await-task 5\nGET /", 1, "takes nothing"),
    ] {
        let (at, message) = bad(text);
        assert!(at == line && message.contains(words), "{text:?}: {at} {message}");
    }
}
