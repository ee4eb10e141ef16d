//! Dry runs: predicts how a load into a PostgreSQL database would fail, in read-only transactions.
//!
//! For `COPY` and `EXPLAIN` the server checks privileges before it rejects the write, so its own error is
//! reported. For `CREATE TABLE` it rejects the write first, so the privileges are queried.

use super::*;
use crate::output::stores::store::SimulatedTable;

/// Connects to a database for a dry run.
pub(crate) fn open_dry_run(
    url: &str,
    table: &str,
    watch: &mut Watch,
) -> Result<Box<dyn RowStore>, WriteError> {
    let name = table;
    let (url, table) = (url.to_owned(), table.to_owned());
    let open = move |_| {
        let database = Postgres::connect(&url, table)?;
        Ok(DryRun { database, simulated: SimulatedTable::default() })
    };
    Ok(Box::new(Table::new(Store::new(open, watch)?, name)))
}

struct DryRun {
    database: Postgres,
    simulated: SimulatedTable,
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
    let row = transaction.query_one(query, &[&schema]).map_err(database_error)?;
    let Some(name) = row.get::<_, Option<String>>(0) else {
        return Err(DatabaseError::file("no schema has been selected to create in".to_owned()));
    };
    match (row.get(1), row.get::<_, Option<bool>>(2)) {
        (false, _) => Err(DatabaseError::file(format!("schema {name:?} does not exist"))),
        (true, Some(true)) => Ok(()),
        (true, _) => Err(DatabaseError::file(format!("permission denied for schema {name}"))),
    }
}

impl DryRun {
    /// Checks the statements of a load in their order.
    fn check(
        &mut self,
        columns: &[Column],
        wanted: &[(String, String)],
    ) -> Result<(), DatabaseError> {
        let (table, copy) = (self.database.quoted_table(), self.database.copy(columns));
        let Postgres { client, table: name, .. } = &mut self.database;
        let read_only =
            client.query_one("SHOW transaction_read_only", &[]).map_err(database_error)?;
        if read_only.get::<_, String>(0) == "on" {
            return Err(DatabaseError::file(
                "cannot execute CREATE TABLE in a read-only transaction".to_owned(),
            ));
        }
        let mut transaction = begin_read_only(client)?;
        check_schema(&mut transaction, None)?;
        let known = columns_there(&mut transaction, &table).map_err(database_error)?;
        if !columns.is_empty() && !self.simulated.check(name, &known, wanted)? {
            let schema = name.split_once('.').map(|(schema, _)| schema);
            check_schema(&mut transaction, schema)?;
        }
        let has_files = "SELECT to_regclass('manyhands_files') IS NOT NULL";
        let has_files = transaction.query_one(has_files, &[]).map_err(database_error)?.get(0);
        if !columns.is_empty() && !known.is_empty() {
            if let Some(why) = refused_view(&mut transaction, &table)? {
                return Err(refused_rows(name, why.into()));
            }
            // `COPY` always fails in a read-only transaction; only that error means that it would have been
            // accepted.
            if let Some(error) = transaction.batch_execute(&copy).err()
                && error.code() != Some(&SqlState::READ_ONLY_SQL_TRANSACTION)
            {
                return Err(database_error(error));
            }
        }
        drop(transaction);
        if has_files {
            let add = "EXPLAIN INSERT INTO manyhands_files VALUES ('', '', 0, '', '', 0, 0, 0)";
            begin_read_only(client)?.batch_execute(add).map_err(database_error)?;
        }
        Ok(())
    }
}

fn begin_read_only(client: &mut Client) -> Result<Transaction<'_>, DatabaseError> {
    client.build_transaction().read_only(true).start().map_err(database_error)
}

impl Database for DryRun {
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
        self.simulated.load(&self.database.table, wanted, next)
    }
}
