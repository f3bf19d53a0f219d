import type postgres from 'postgres'

/**
 * What of Citus the service looks at and calls, on one plain server: its catalogue, and a `create_distributed_table`
 * that notes the table and refuses what Citus refuses. It spreads nothing. It is made from the source of Citus 13;
 * what a real cluster does is tried by hand.
 */
export async function installFakeCitus (sql: postgres.Sql): Promise<void> {
  await sql.unsafe(`
    create table pg_dist_local_group (groupid int);
    insert into pg_dist_local_group values (0);
    create table pg_dist_node (
      nodeid int, groupid int, noderole text default 'primary', isactive boolean default true, timezone text default 'Etc/UTC'
    );
    insert into pg_dist_node values (1, 0), (2, 1), (3, 2);
    create table pg_dist_partition (logicalrelid regclass, partmethod "char", colocationid int);
    create table fake_calls (call text);

    create function run_command_on_all_nodes(command text, out nodeid int, out success boolean, out result text)
    returns setof record language sql as $$ select n.nodeid, true, n.timezone from pg_dist_node n $$;

    create function create_distributed_table(
      table_name regclass, distribution_column text, colocate_with text default 'default'
    ) returns void language plpgsql as $$
    begin
      if exists (select from pg_dist_partition where logicalrelid = table_name) then
        raise exception 'table "%" is already distributed', table_name;
      end if;
      if exists (
        select from pg_constraint where conrelid = table_name and contype = 'f' and confdeltype in ('n', 'd')
      ) then raise exception 'SET NULL or SET DEFAULT is not supported in ON DELETE operation'; end if;
      if exists (
        select from pg_constraint where conrelid = table_name and contype = 'f' and confrelid <> conrelid
          and not exists (select from pg_dist_partition where logicalrelid = confrelid)
      ) then raise exception 'referenced table must be a distributed table or a reference table'; end if;
      if colocate_with <> 'default' and not exists (
        select from pg_dist_partition where logicalrelid = colocate_with::regclass
      ) then raise exception 'relation % is not distributed', colocate_with; end if;
      if exists (select from pg_trigger where tgrelid = table_name and not tgisinternal) then
        raise exception 'triggers are not supported on distributed tables';
      end if;
      insert into pg_dist_partition values (
        table_name, 'h',
        coalesce((select colocationid from pg_dist_partition where logicalrelid::text = colocate_with), 1)
      );
      insert into fake_calls values (table_name::text || ' ' || current_setting('citus.multi_shard_modify_mode'));
    end $$;
  `)
}
