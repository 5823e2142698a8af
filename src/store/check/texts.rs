//! Texts that are not UTF-8. PostgreSQL refuses them; SQLite keeps whatever it is given, and who reads such a row gets an error
//! instead of the row. So they are looked for first, and whatever is read afterwards has signs of replacement in their place.

use futures_util::TryStreamExt;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, QueryResult, Statement, StreamTrait, Value};

use super::super::StoreError;
use super::Found;
use super::statements::CHECKED_TABLES;

/// Texts with a sign that is not ASCII: of all others no more than this is read.
const NOT_ASCII: &str = "GLOB '*[^' || char(1) || '-' || char(127) || ']*'";

/// Where the texts are that are read instead.
const READABLE: &str =
    "CREATE TEMP TABLE readable_text (place TEXT, key TEXT, text TEXT, PRIMARY KEY (place, key)) WITHOUT ROWID";

/// A table that may have such texts.
struct Table {
    name: &'static str,
    /// How a row is called, as SQL over `t`.
    row: &'static str,
    columns: Vec<String>,
    /// Those of the columns that are texts.
    texts: Vec<String>,
    /// SQL over `t` that tells a row from every other.
    key: String,
}

/// A text of a row that is not UTF-8.
struct Unreadable {
    row: String,
    column: String,
    key: String,
    readable: String,
}

/// Finds them, and has them replaced for all that the transaction reads from now on: a view of the table takes its place, and
/// goes with the transaction.
pub(super) async fn replace_unreadable(transaction: &DatabaseTransaction) -> Result<Vec<Found>, StoreError> {
    let mut found = Vec::new();
    if ConnectionTrait::get_database_backend(transaction) != DbBackend::Sqlite {
        return Ok(found);
    }
    let checked = CHECKED_TABLES.iter().map(|table| (table.name, table.row));
    for (name, row) in checked.chain([("revision", "'revision ' || t.id")]) {
        let table = Table::read(transaction, name, row).await?;
        let unreadable = table.unreadable(transaction).await?;
        if unreadable.is_empty() {
            continue;
        }
        if found.is_empty() {
            transaction.execute_unprepared(READABLE).await?;
        }
        table.replace(transaction, &unreadable).await?;
        found.extend(unreadable.into_iter().map(|text| Found {
            row: text.row,
            right: format!("{} is UTF-8", text.column),
        }));
    }
    Ok(found)
}

impl Table {
    async fn read(
        transaction: &DatabaseTransaction,
        name: &'static str,
        row: &'static str,
    ) -> Result<Self, StoreError> {
        let sql = format!("SELECT name, upper(type) = 'TEXT', pk > 0 FROM pragma_table_info('{name}')");
        let rows = transaction.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql));
        let (mut columns, mut texts, mut keys) = (Vec::new(), Vec::new(), Vec::new());
        for row in rows.await? {
            let column: String = row.try_get_by_index(0)?;
            if row.try_get_by_index(1)? {
                texts.push(column.clone());
            }
            if row.try_get_by_index(2)? {
                keys.push(format!("hex(CAST(t.\"{column}\" AS BLOB))"));
            }
            columns.push(column);
        }
        Ok(Self {
            name,
            row,
            columns,
            texts,
            key: keys.join(" || ' ' || "),
        })
    }

    async fn unreadable(&self, transaction: &DatabaseTransaction) -> Result<Vec<Unreadable>, StoreError> {
        let mut found = Vec::new();
        if self.texts.is_empty() {
            return Ok(found);
        }
        let bytes: Vec<String> = self
            .texts
            .iter()
            .map(|text| format!("CAST(t.\"{text}\" AS BLOB)"))
            .collect();
        let suspect: Vec<String> = self
            .texts
            .iter()
            .map(|text| format!("t.\"{text}\" {NOT_ASCII}"))
            .collect();
        let sql = format!(
            "SELECT CAST({} AS BLOB), {}, {} FROM {} t WHERE {}",
            self.row,
            self.key,
            bytes.join(", "),
            self.name,
            suspect.join(" OR ")
        );
        let mut rows = transaction
            .stream_raw(Statement::from_string(DbBackend::Sqlite, sql))
            .await?;
        while let Some(row) = rows.try_next().await? {
            self.look(&row, &mut found)?;
        }
        Ok(found)
    }

    /// Looks at the texts of a row.
    fn look(&self, row: &QueryResult, found: &mut Vec<Unreadable>) -> Result<(), StoreError> {
        for (index, column) in self.texts.iter().enumerate() {
            let bytes: Option<Vec<u8>> = row.try_get_by_index(index + 2)?;
            let bytes = bytes.unwrap_or_default();
            if std::str::from_utf8(&bytes).is_err() {
                let name: Vec<u8> = row.try_get_by_index(0)?;
                found.push(Unreadable {
                    row: String::from_utf8_lossy(&name).into_owned(),
                    column: column.clone(),
                    key: row.try_get_by_index(1)?,
                    readable: String::from_utf8_lossy(&bytes).into_owned(),
                });
            }
        }
        Ok(())
    }

    async fn replace(&self, transaction: &DatabaseTransaction, texts: &[Unreadable]) -> Result<(), StoreError> {
        for text in texts {
            let sql = "INSERT INTO temp.readable_text VALUES ($1, $2, $3)";
            let values: [Value; 3] = [
                self.place(&text.column).into(),
                text.key.as_str().into(),
                text.readable.as_str().into(),
            ];
            let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
            transaction.execute_raw(statement).await?;
        }
        let columns: Vec<String> = self.columns.iter().map(|column| self.shown(column, texts)).collect();
        let (columns, name) = (columns.join(", "), self.name);
        let sql = format!("CREATE TEMP VIEW {name} AS SELECT {columns} FROM main.{name} t");
        Ok(transaction.execute_unprepared(&sql).await.map(drop)?)
    }

    /// A column of the view.
    fn shown(&self, column: &String, texts: &[Unreadable]) -> String {
        if texts.iter().all(|text| text.column != *column) {
            return format!("t.\"{column}\"");
        }
        let (place, key) = (self.place(column), &self.key);
        let readable = format!("SELECT r.text FROM temp.readable_text r WHERE r.place = '{place}' AND r.key = {key}");
        format!("coalesce(({readable}), t.\"{column}\") AS \"{column}\"")
    }

    fn place(&self, column: &str) -> String {
        format!("{}.{column}", self.name)
    }
}
