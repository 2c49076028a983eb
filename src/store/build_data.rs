//! Build data: written with the events that tell of it, and listed in their order.

use sea_orm::{ConnectionTrait, QueryResult, Statement, Value};
use serde::Serialize;

use super::apply::BuildDataRow;
use super::connect::Connections;
use super::error::Error;
use super::read::{BuildDataPage, BuildDataQuery};
use super::row::micros;
use super::sql::{Column, Dialect, Kind, get, get_count, get_id, get_text, json, names, uuid_hex};
use crate::domain::BuildData;

const COLUMNS: &[Column] = &[
    ("sequence", Kind::Number),
    ("task_id", Kind::Uuid),
    ("root_task_id", Kind::Uuid),
    ("node_name", Kind::Text),
    ("collected_date", Kind::Time),
    ("generator", Kind::Text),
    ("data_format", Kind::Text),
    ("element_bytes", Kind::Number),
    ("data_element", Kind::Text),
];

const SEQUENCE_COLUMN: &[Column] = &[("sequence", Kind::Number)];

/// A row as its insert sends it; its sequence is an offset from the clock.
#[derive(Serialize)]
pub(super) struct Insert<'a> {
    sequence: usize,
    task_id: String,
    root_task_id: String,
    node_name: &'a str,
    collected_date: i64,
    generator: &'a str,
    data_format: &'a str,
    element_bytes: usize,
    data_element: &'a str,
}

#[derive(Serialize)]
struct SequenceRow {
    sequence: i64,
}

impl<'a> Insert<'a> {
    /// The row that stores `row` under the sequence `offset` behind the clock.
    pub(super) fn new(row: &'a BuildDataRow, offset: usize) -> Self {
        let data = &row.data;
        let data_element = data.data_element.as_deref().unwrap_or_default();
        Self {
            sequence: offset,
            task_id: uuid_hex(data.task_id.0),
            root_task_id: uuid_hex(row.root_task_id.0),
            node_name: &data.node_name,
            collected_date: micros(data.collected_date),
            generator: &data.generator,
            data_format: &data.data_format,
            element_bytes: data_element.len(),
            data_element,
        }
    }
}

/// The INSERT of the [`Insert`]s in placeholder `rows`, numbered by the table `clock`.
pub(super) fn insert(dialect: Dialect, clock: &str, rows: &str) -> String {
    let rest = names(&COLUMNS[1..], "");
    let values = names(&COLUMNS[1..], "d.");
    let rows = dialect.rows(rows, COLUMNS);
    format!(
        "INSERT INTO build_data (sequence, {rest}) \
         SELECT c.base + d.sequence, {values} FROM {clock} AS c, {rows} AS d"
    )
}

/// A page of what matches, oldest first.
pub(super) async fn list(
    connections: &Connections,
    query: &BuildDataQuery,
) -> Result<BuildDataPage, Error> {
    let dialect = connections.dialect;
    // What a sweep deletes between the two statements would be an entry without its element.
    let transaction = connections.begin_read().await?;
    // One more than the page holds tells whether there is another.
    let rows = transaction
        .query_all_raw(select(dialect, query, query.limit + 1))
        .await?;
    let mut page = BuildDataPage {
        more: rows.len() as u64 > query.limit,
        entries: Vec::with_capacity(rows.len()),
    };
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut left = query.element_bytes;
    for row in rows.iter().take(limit) {
        let bytes = get_count(row, "element_bytes")? as usize;
        match &mut left {
            // The first is given in any case: a page without any would never end.
            Some(left) if bytes > *left && !page.entries.is_empty() => {
                page.more = true;
                break;
            }
            Some(left) => *left = left.saturating_sub(bytes),
            None => {}
        }
        page.entries
            .push((get(row, "sequence")?, read(dialect, row)?));
    }
    if query.element_bytes.is_some() && !page.entries.is_empty() {
        let sequences = page.entries.iter().map(|(sequence, _)| SequenceRow {
            sequence: *sequence,
        });
        let sequences = json(&sequences.collect::<Vec<_>>())?;
        let sql = format!(
            "SELECT b.sequence, b.data_element FROM build_data b \
             WHERE b.sequence IN (SELECT sequence FROM {} AS e) ORDER BY b.sequence",
            dialect.rows("$1", SEQUENCE_COLUMN)
        );
        let elements = transaction
            .query_all_raw(dialect.statement(&sql, [sequences]))
            .await?;
        for ((_, data), row) in page.entries.iter_mut().zip(&elements) {
            data.data_element = Some(get_text(row, "data_element")?);
        }
    }
    transaction.commit().await?;
    Ok(page)
}

/// The SELECT of at most `limit` entries without their elements. The join with the spec of their root
/// hides what is left of a tree that was purged and not swept yet.
pub(super) fn select(dialect: Dialect, query: &BuildDataQuery, limit: u64) -> Statement {
    let mut values: Vec<Value> = Vec::new();
    let mut bind = |value: Value| {
        values.push(value);
        format!("${}", values.len())
    };
    let after = bind(query.after.into());
    let mut condition = format!("b.sequence > {after}");
    let in_tree = query.task.map(|task| {
        let id = bind(task.task_id.0.into());
        move |table: &str| {
            if task.task_id == task.root_task_id {
                return format!("{table}.root_task_id = {id}");
            }
            // One list of ids, which the index is looked through for: with an OR before it PostgreSQL
            // reads every entry there is.
            let own = match dialect {
                Dialect::Sqlite => id.clone(),
                Dialect::Postgres => format!("CAST({id} AS uuid)"),
            };
            format!(
                "{table}.task_id IN (SELECT {own} UNION ALL \
                 SELECT c.task_id FROM tasks c WHERE c.parent_task_id = {id})"
            )
        }
    });
    let mut and = |sql: &str| {
        condition.push_str(" AND ");
        condition.push_str(sql);
    };
    if let Some(in_tree) = &in_tree {
        and(&in_tree("b"));
    }
    if let Some(node) = &query.node_name {
        and(&format!("b.node_name = {}", bind(node.as_str().into())));
    }
    if let Some(generator) = &query.generator {
        and(&format!(
            "b.generator = {}",
            bind(generator.as_str().into())
        ));
    }
    if query.latest {
        let (join, among) = match in_tree {
            // As a truth value: what is later is found by its node, and not among all of a large tree.
            Some(in_tree) => ("", format!("({}) IS TRUE", in_tree("n"))),
            // Of one site: those of two may have nodes of one name.
            None => (
                "JOIN task_specs m ON m.task_id = n.root_task_id",
                "m.site = s.site".to_owned(),
            ),
        };
        and(&format!(
            "NOT EXISTS (SELECT 1 FROM build_data n {join} \
               WHERE n.node_name = b.node_name AND n.generator = b.generator \
                 AND n.sequence > b.sequence AND {among})"
        ));
    }
    let sql = format!(
        "SELECT b.sequence, b.task_id, b.node_name, b.collected_date, b.generator, b.data_format, \
           b.element_bytes \
         FROM build_data b JOIN task_specs s ON s.task_id = b.root_task_id \
         WHERE {condition} ORDER BY b.sequence LIMIT {limit}"
    );
    dialect.statement(&sql, values)
}

fn read(dialect: Dialect, row: &QueryResult) -> Result<BuildData, Error> {
    Ok(BuildData {
        node_name: get_text(row, "node_name")?,
        task_id: get_id(row, "task_id")?,
        collected_date: dialect.get_time(row, "collected_date")?,
        generator: get_text(row, "generator")?,
        data_format: get_text(row, "data_format")?,
        data_element: None,
    })
}
