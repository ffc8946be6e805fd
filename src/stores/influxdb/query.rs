//! What is asked of the ledger's place, and what answers to queries say.

use serde_json::{Value, json};

use super::api::Api;
use super::csv;
use crate::domain::Failure;
use crate::domain::influxql::quoted;
use crate::stores::http::{Answer, Call, escaped};

/// A series of a query's answer: its rows, by column.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    columns: Vec<String>,
    values: Vec<Value>,
}

impl Rows {
    /// The values of some columns, row by row.
    pub fn columns<const N: usize>(&self, names: [&str; N]) -> impl Iterator<Item = [&Value; N]> {
        let at = names.map(|name| self.columns.iter().position(|c| c == name).unwrap_or(usize::MAX));
        self.values.iter().map(move |row| at.map(|at| row.get(at).unwrap_or(&Value::Null)))
    }
}

/// A field of a point of the ledger; all of them are texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Its place in the log; no clock's.
    pub time: i64,
    /// The field.
    pub field: String,
    /// What it says.
    pub text: String,
}

/// What came of a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// It was done: its rows.
    Rows(Vec<Rows>),
    /// It was refused, in the server's words.
    Refused(String),
}

impl Api {
    /// Sends statements of InfluxQL in a database; what came of each that was tried.
    ///
    /// # Errors
    /// No answer; a refusal of ourselves.
    pub fn query(&self, database: Option<&str>, statement: &str) -> Result<Said, Failure> {
        let answer = self.give(self.query_call(database, statement))?;
        if answer.is_refusal() {
            return Err(self.refused(&answer));
        }
        Ok(said(&answer))
    }

    /// The request of a statement.
    pub fn query_call(&self, database: Option<&str>, statement: &str) -> Call {
        let database = database.map(|d| format!("&db={}", escaped(d))).unwrap_or_default();
        let form = format!("q={}", escaped(statement));
        let body = Some(("application/x-www-form-urlencoded".to_owned(), form.into_bytes()));
        Call { method: "POST".to_owned(), path: format!("/query?epoch=ns{database}"), headers: Vec::new(), body }
    }

    /// The request that writes points into the ledger.
    fn write_call(&self, points: &str) -> Result<Call, Failure> {
        let name = escaped(&self.endpoint.ledger);
        let path = match self.is_second()? {
            true => format!("/api/v2/write?bucket={name}&orgID={}&precision=ns", escaped(&self.org_id()?)),
            false => format!("/write?db={name}&precision=n"),
        };
        let body = Some(("text/plain; charset=utf-8".to_owned(), points.as_bytes().to_vec()));
        Ok(Call { method: "POST".to_owned(), path, headers: Vec::new(), body })
    }

    /// A query whose refusal is a failure.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn rows(&self, database: Option<&str>, statement: &str) -> Result<Rows, Failure> {
        match self.query(database, statement)? {
            Said::Rows(rows) => Ok(rows.into_iter().next().unwrap_or_default()),
            Said::Refused(words) => Err(self.failed(&words)),
        }
    }

    /// Writes points into the ledger.
    ///
    /// # Errors
    /// The server's refusal; no answer, and then they may be there.
    pub fn write(&self, points: &str) -> Result<(), Failure> {
        let call = self.write_call(points)?;
        let answer = self.patiently(|| self.give(call.clone()))?;
        self.expect(answer).map(drop)
    }

    /// The fields of a measurement of the ledger, or of those of its points with this mark; none where there is no
    /// ledger.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn points(&self, measurement: &str, mark: Option<&str>) -> Result<Option<Vec<Point>>, Failure> {
        match self.is_second()? {
            true => self.points_by_flux(measurement, mark),
            false => self.points_by_influxql(measurement, mark),
        }
    }

    fn points_by_influxql(&self, measurement: &str, mark: Option<&str>) -> Result<Option<Vec<Point>>, Failure> {
        let ledger = &self.endpoint.ledger;
        let filter = mark.map(|m| format!(" WHERE \"mark\" = '{m}'")).unwrap_or_default();
        let found = self.query(Some(ledger), &format!("SELECT * FROM {}{filter}", quoted(measurement)))?;
        let rows = match found {
            Said::Rows(rows) => rows.into_iter().next().unwrap_or_default(),
            Said::Refused(words) if words.contains("database not found") => return Ok(None),
            Said::Refused(words) => return Err(self.failed(&words)),
        };
        let mut points = Vec::new();
        for row in &rows.values {
            let time = row[0].as_i64().unwrap_or(0);
            let fields = rows.columns.iter().zip(row.as_array().into_iter().flatten()).skip(1);
            let texts = fields.filter_map(|(field, value)| Some((field.clone(), value.as_str()?.to_owned())));
            points.extend(texts.map(|(field, text)| Point { time, field, text }));
        }
        Ok(Some(points))
    }

    fn points_by_flux(&self, measurement: &str, mark: Option<&str>) -> Result<Option<Vec<Point>>, Failure> {
        let filter = mark.map(|m| format!(" and r.mark == {}", Value::from(m))).unwrap_or_default();
        let flux = format!(
            "from(bucket: {}) |> range(start: 1970-01-01T00:00:00Z) \
             |> filter(fn: (r) => r._measurement == \"{measurement}\"{filter}) |> keep(columns: [\"_time\", \"_field\", \"_value\"])",
            Value::from(self.endpoint.ledger.as_str())
        );
        let call = self.flux_call(&flux)?;
        let answer = self.patiently(|| self.give(call.clone()))?;
        if answer.status == 404 {
            return Ok(None);
        }
        let answer = self.expect(answer)?;
        let rows = csv::read(&answer.body);
        if let Some(words) = csv::error(&rows) {
            return Err(self.failed(words));
        }
        let points = csv::objects(&rows).into_iter().filter_map(|row| {
            let time: jiff::Timestamp = row.get("_time")?.parse().ok()?;
            let time = i64::try_from(time.as_nanosecond()).ok()?;
            Some(Point { time, field: row.get("_field")?.to_owned(), text: row.get("_value")?.to_owned() })
        });
        Ok(Some(points.collect()))
    }

    /// The request of a Flux script.
    ///
    /// # Errors
    /// As [`Api::org_id`].
    pub fn flux_call(&self, flux: &str) -> Result<Call, Failure> {
        let path = format!("/api/v2/query?orgID={}", escaped(&self.org_id()?));
        let headers = vec![("accept".to_owned(), "application/csv".to_owned())];
        let body = Some(("application/vnd.flux".to_owned(), flux.as_bytes().to_vec()));
        Ok(Call { method: "POST".to_owned(), path, headers, body })
    }

    /// Takes the points with a mark out of a measurement of the ledger.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn forget(&self, measurement: &str, mark: &str) -> Result<(), Failure> {
        let ledger = &self.endpoint.ledger;
        if !self.is_second()? {
            let drop = format!("DROP SERIES FROM {} WHERE \"mark\" = '{mark}'", quoted(measurement));
            return self.rows(Some(ledger), &drop).map(std::mem::drop);
        }
        let predicate = format!("_measurement={measurement:?} AND mark={mark:?}");
        let (start, stop) = ("1970-01-01T00:00:00Z", "2200-01-01T00:00:00Z");
        let body = json!({ "start": start, "stop": stop, "predicate": predicate });
        let org = self.org_id()?;
        let path = format!("/api/v2/delete?bucket={}&orgID={}", escaped(ledger), escaped(&org));
        let answer = self.patiently(|| self.ask("POST", &path, Some(&body)))?;
        self.expect(answer).map(std::mem::drop)
    }

    /// Makes a database or a bucket, unless it is there.
    ///
    /// # Errors
    /// The server's refusal.
    pub fn make_ledger(&self) -> Result<(), Failure> {
        let name = &self.endpoint.ledger;
        if !self.is_second()? {
            return self.rows(None, &format!("CREATE DATABASE {}", quoted(name))).map(drop);
        }
        if self.buckets(Some(name))?.is_empty() {
            self.make_bucket(name, "Stepladder's ledger: leave it alone")?;
        }
        Ok(())
    }
}

/// What an answer to a query says: InfluxDB 1 hides errors behind the status 200.
pub fn said(answer: &Answer) -> Said {
    let found = answer.json();
    let results = found["results"].as_array().cloned().unwrap_or_default();
    let wrong = results.iter().find_map(|r| r["error"].as_str()).or_else(|| found["error"].as_str());
    if let Some(words) = wrong.or_else(|| found["message"].as_str().filter(|_| !answer.is_fine())) {
        return Said::Refused(words.to_owned());
    }
    if !answer.is_fine() || found["results"].is_null() {
        return Said::Refused(format!("{} (HTTP {})", answer.body.trim(), answer.status));
    }
    // A result may come in pieces.
    if let Some(partial) = results.iter().flat_map(|r| r["series"].as_array()).flatten().find(|s| s["partial"] == true)
    {
        let name = partial["name"].as_str().unwrap_or_default();
        return Said::Refused(format!("the answer about {name} is not whole"));
    }
    let series = results.iter().flat_map(|r| r["series"].as_array()).flatten();
    let names = |s: &Value| {
        s["columns"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    Said::Rows(
        series
            .map(|s| Rows { columns: names(s), values: s["values"].as_array().cloned().unwrap_or_default() })
            .collect(),
    )
}

/// A text as a field of line protocol.
pub fn field(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
