//! Dry runs: predicts how a load into a PostgreSQL database would fail, in read-only transactions.
//!
//! The server checks the rights for `COPY` before it refuses to write in such a transaction, and the rights
//! for other statements when it explains them, so its own messages are reported. It refuses to create tables
//! before it checks rights, so these are queried.

use super::*;
use crate::output::stores::store::Pretended;

/// Connects to a database for a dry run.
pub(crate) fn look(
    url: &str,
    table: &str,
    watch: &mut Watch,
) -> Result<Box<dyn RowStore>, WriteError> {
    let name = table;
    let (url, table) = (url.to_owned(), table.to_owned());
    let open = move |_| {
        let database = Postgres::connect(&url, table)?;
        Ok(Looked { database, pretended: Pretended::default() })
    };
    Ok(Box::new(Table::new(Store::new(open, watch)?, name)))
}

struct Looked {
    database: Postgres,
    pretended: Pretended,
}

/// # Errors
/// If a schema is missing, or no table may be created in it.
fn check_schema(
    transaction: &mut Transaction<'_>,
    schema: Option<&str>,
) -> Result<(), DatabaseError> {
    let query = "SELECT name, to_regnamespace(quote_ident(name)) IS NOT NULL,
        has_schema_privilege(to_regnamespace(quote_ident(name))::oid, 'CREATE')
        FROM (SELECT coalesce($1, current_schema()::text) AS name) AS schema";
    let row = transaction.query_one(query, &[&schema]).map_err(wrong)?;
    let Some(name) = row.get::<_, Option<String>>(0) else {
        return Err(DatabaseError::file("no schema has been selected to create in".to_owned()));
    };
    match (row.get(1), row.get::<_, Option<bool>>(2)) {
        (false, _) => Err(DatabaseError::file(format!("schema {name:?} does not exist"))),
        (true, Some(true)) => Ok(()),
        (true, _) => Err(DatabaseError::file(format!("permission denied for schema {name}"))),
    }
}

impl Looked {
    /// Checks the statements of a load in their order.
    fn check(
        &mut self,
        columns: &[Column],
        wanted: &[(String, String)],
    ) -> Result<(), DatabaseError> {
        let (table, copy) = (self.database.quoted_table(), self.database.copy(columns));
        let Postgres { client, table: name, .. } = &mut self.database;
        let read_only = client.query_one("SHOW transaction_read_only", &[]).map_err(wrong)?;
        if read_only.get::<_, String>(0) == "on" {
            return Err(DatabaseError::file(
                "cannot execute CREATE TABLE in a read-only transaction".to_owned(),
            ));
        }
        let mut transaction = reading(client)?;
        check_schema(&mut transaction, None)?;
        let known = columns_there(&mut transaction, &table).map_err(wrong)?;
        if !columns.is_empty() && !self.pretended.check(name, &known, wanted)? {
            let schema = name.split_once('.').map(|(schema, _)| schema);
            check_schema(&mut transaction, schema)?;
        }
        let has_files = "SELECT to_regclass('manyhands_files') IS NOT NULL";
        let has_files = transaction.query_one(has_files, &[]).map_err(wrong)?.get(0);
        if !columns.is_empty() && !known.is_empty() {
            if let Some(why) = refused_view(&mut transaction, &table)? {
                return Err(refused_rows(name, why.into()));
            }
            // The statement always fails, and with it the transaction.
            if let Some(error) = transaction.batch_execute(&copy).err()
                && error.code() != Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
            {
                return Err(wrong(error));
            }
        }
        drop(transaction);
        if has_files {
            let add = "EXPLAIN INSERT INTO manyhands_files VALUES ('', '', 0, '', '', 0, 0, 0)";
            reading(client)?.batch_execute(add).map_err(wrong)?;
        }
        Ok(())
    }
}

fn reading(client: &mut Client) -> Result<Transaction<'_>, DatabaseError> {
    client.build_transaction().read_only(true).start().map_err(wrong)
}

impl Database for Looked {
    fn cancel(&self) -> Cancel {
        self.database.cancel()
    }

    fn entries(&mut self) -> Result<Vec<Entry>, DatabaseError> {
        self.database.entries()
    }

    fn load(
        &mut self,
        columns: &[Column],
        next: &mut dyn FnMut() -> LoadCommand,
    ) -> Result<(), DatabaseError> {
        let wanted = declarations(columns, declared);
        self.check(columns, &wanted)?;
        self.pretended.load(&self.database.table, wanted, next)
    }
}
