with space as (
  select n.oid, nspname as name, nspowner as owner,
    nspname in ('public', @schema@) or pg_catalog.pg_has_role(nspowner, 'MEMBER') as mine,
    nspname in ('public', @schema@) or not pg_catalog.pg_has_role(nspowner, 'MEMBER')
      or exists (select from pg_catalog.pg_extension e where extnamespace = n.oid) as stays
  from pg_catalog.pg_namespace n
  where nspname !~ '^pg_' and nspname !~ '^_timescaledb' and nspname not in ('information_schema', 'timescaledb_information', 'timescaledb_experimental')
    and not exists (
      select from pg_catalog.pg_depend d
      where d.classid = 'pg_catalog.pg_namespace'::regclass and d.objid = n.oid and d.deptype = 'e')
),
mine as (
  select oid from space where mine
),
thing as (
  select 10 as rank, 'pg_catalog.pg_namespace'::regclass::oid as class, oid as object, name as ours, null::bigint as rows
    from space where not stays
  union all
  select case relkind when 'v' then 2 when 'm' then 1 when 'S' then 4 else 3 end, 'pg_catalog.pg_class'::regclass, c.oid,
      case relnamespace when (select oid from space where name = @schema@) then relname end,
      greatest(reltuples::bigint, pg_catalog.pg_stat_get_live_tuples(c.oid)) + coalesce((
        select sum(greatest(p.reltuples::bigint, pg_catalog.pg_stat_get_live_tuples(p.oid)))
        from pg_catalog.pg_inherits i join pg_catalog.pg_class p on p.oid = i.inhrelid where i.inhparent = c.oid), 0)
    from pg_catalog.pg_class c
    where relnamespace in (select oid from space)
      and (relnamespace in (select oid from mine) or pg_catalog.pg_has_role(relowner, 'MEMBER')) and relkind in ('r', 'p', 'v', 'm', 'S', 'f')
      and not relispartition and c.oid not in (@aggregates@)
  union all
  select 5, 'pg_catalog.pg_proc'::regclass, oid, case pronamespace when (select oid from space where name = @schema@) then proname end, null
    from pg_catalog.pg_proc
    where pronamespace in (select oid from space)
      and (pronamespace in (select oid from mine) or pg_catalog.pg_has_role(proowner, 'MEMBER'))
  union all
  select 6, 'pg_catalog.pg_type'::regclass, t.oid, null, null
    from pg_catalog.pg_type t
    where typnamespace in (select oid from space) and typelem = 0
      and (typtype in ('b', 'd', 'e', 'r')
        or exists (select from pg_catalog.pg_class c where c.oid = t.typrelid and c.relkind = 'c'))
  union all
  select 7, 'pg_catalog.pg_operator'::regclass, oid, null, null from pg_catalog.pg_operator where oprnamespace in (select oid from mine)
  union all
  select 7, 'pg_catalog.pg_opfamily'::regclass, oid, null, null from pg_catalog.pg_opfamily where opfnamespace in (select oid from mine)
  union all
  select 7, 'pg_catalog.pg_collation'::regclass, oid, null, null from pg_catalog.pg_collation where collnamespace in (select oid from mine)
  union all
  select 7, 'pg_catalog.pg_conversion'::regclass, oid, null, null from pg_catalog.pg_conversion where connamespace in (select oid from mine)
  union all
  select 7, 'pg_catalog.pg_ts_config'::regclass, oid, null, null from pg_catalog.pg_ts_config where cfgnamespace in (select oid from mine)
  union all
  select 8, 'pg_catalog.pg_ts_dict'::regclass, oid, null, null from pg_catalog.pg_ts_dict where dictnamespace in (select oid from mine)
  union all
  select 8, 'pg_catalog.pg_ts_parser'::regclass, oid, null, null from pg_catalog.pg_ts_parser where prsnamespace in (select oid from mine)
  union all
  select 9, 'pg_catalog.pg_ts_template'::regclass, oid, null, null from pg_catalog.pg_ts_template where tmplnamespace in (select oid from mine)
  union all
  select 7, 'pg_catalog.pg_statistic_ext'::regclass, oid, null, null from pg_catalog.pg_statistic_ext where stxnamespace in (select oid from mine)
  union all
  select 0, 'pg_catalog.pg_publication'::regclass, oid, null, null from pg_catalog.pg_publication where pg_catalog.pg_has_role(pubowner, 'MEMBER')
  union all
  select 0, 'pg_catalog.pg_event_trigger'::regclass, oid, null, null from pg_catalog.pg_event_trigger where pg_catalog.pg_has_role(evtowner, 'MEMBER')
  union all
  select 9, 'pg_catalog.pg_foreign_server'::regclass, oid, null, null from pg_catalog.pg_foreign_server where pg_catalog.pg_has_role(srvowner, 'MEMBER')
  union all
  select 9, 'pg_catalog.pg_foreign_data_wrapper'::regclass, oid, null, null from pg_catalog.pg_foreign_data_wrapper where pg_catalog.pg_has_role(fdwowner, 'MEMBER')
  union all
  select 9, 'pg_catalog.pg_largeobject'::regclass, oid, null, null from pg_catalog.pg_largeobject_metadata where pg_catalog.pg_has_role(lomowner, 'MEMBER')
)
select o.type, o.identity, t.rows,
  case when o.schema = 'public' and o.name is not null then o.name else o.identity end
from thing t, lateral pg_catalog.pg_identify_object(t.class, t.object, 0) o
where coalesce(t.ours, '') <> all (array[@ours@])
  and not exists (
    select from pg_catalog.pg_depend d
    where d.classid = t.class and d.objid = t.object and d.objsubid = 0 and d.deptype in ('e', 'i', 'a')
      and (d.deptype = 'e' or d.refclassid in ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_type'::regclass)))
order by t.rank, o.identity
