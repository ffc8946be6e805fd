create table if not exists @schema@.stepladder_meta (format integer not null);
create table if not exists @schema@.stepladder_lease (
  id         integer     primary key check (id = 1),
  user_name  text        not null,
  host       text        not null,
  pid        bigint      not null,
  process    text        not null,
  run        text        not null,
  token      text        not null,
  tool       text        not null,
  since      timestamptz not null,
  renewed    timestamptz not null,
  expires    timestamptz not null
);
create table if not exists @schema@.stepladder_ledger (
  seq            bigint        generated always as identity primary key,
  event          text          not null,
  direction      text          not null,
  version        numeric(32, 0),
  label          text          not null,
  checksum       text          not null,
  down_checksum  text,
  down_extension text,
  down_script    bytea,
  run            text          not null,
  ordinal        bigint        not null,
  at             timestamptz   not null default clock_timestamp(),
  duration_ms    bigint,
  who            text          not null,
  tool           text          not null,
  parts_done     integer,
  parts_total    integer,
  note           text,
  xid            bigint
);
create or replace view @schema@.stepladder_applied as
  select version, label, at, duration_ms, run, who, checksum
  from (
    select distinct on (version) *
    from @schema@.stepladder_ledger
    where version is not null and event <> 'failed'
    order by version, seq desc
  ) newest
  where event in ('done', 'settled', 'baselined') and direction = 'up'
  order by version;
create or replace function @schema@.stepladder_held(p_token text) returns void language plpgsql as $body$
begin
  perform 1 from @schema@.stepladder_lease l
    where l.id = 1 and l.token = p_token and l.expires > clock_timestamp() for update;
  if not found then
    raise exception '@lost@';
  end if;
end
$body$;
create or replace function @schema@.stepladder_begin(
  p_token text, p_direction text, p_version numeric, p_label text, p_checksum text, p_ordinal bigint,
  p_down_checksum text, p_down_extension text, p_down_script bytea, p_parts_done integer, p_parts_total integer
) returns bigint language plpgsql as $body$
begin
  insert into @schema@.stepladder_ledger (event, direction, version, label, checksum, ordinal, down_checksum,
      down_extension, down_script, parts_done, parts_total, run, who, tool, xid)
    select 'begun', p_direction, p_version, p_label, p_checksum, p_ordinal, p_down_checksum,
      p_down_extension, p_down_script, p_parts_done, p_parts_total, l.run, l.user_name || '@' || l.host, l.tool,
      txid_current()
    from @schema@.stepladder_lease l
    where l.id = 1 and l.token = p_token and l.expires > clock_timestamp();
  if not found then
    raise exception '@lost@';
  end if;
  return txid_current();
end
$body$;
create or replace procedure @schema@.stepladder_record(
  p_token text, p_xid bigint, p_direction text, p_version numeric, p_label text, p_checksum text, p_ordinal bigint,
  p_down_checksum text, p_down_extension text, p_down_script bytea
) language plpgsql as $body$
begin
  if p_xid <> txid_current() then
    raise exception '@ended@';
  end if;
  insert into @schema@.stepladder_ledger (event, direction, version, label, checksum, ordinal, down_checksum,
      down_extension, down_script, duration_ms, run, who, tool, xid)
    select 'done', p_direction, p_version, p_label, p_checksum, p_ordinal, p_down_checksum,
      p_down_extension, p_down_script,
      set_config('stepladder.took', (extract(epoch from clock_timestamp() - now()) * 1000)::bigint::text, false)::bigint,
      l.run, l.user_name || '@' || l.host, l.tool, p_xid
    from @schema@.stepladder_lease l
    where l.id = 1 and l.token = p_token and l.expires > clock_timestamp()
    for update;
  if not found then
    raise exception '@lost@';
  end if;
end
$body$;
create or replace function @schema@.stepladder_part(p_token text, p_ordinal bigint, p_done integer)
returns void language plpgsql as $body$
begin
  perform @schema@.stepladder_held(p_token);
  update @schema@.stepladder_ledger l set parts_done = p_done
    where l.seq = (select max(seq) from @schema@.stepladder_ledger) and l.event = 'begun' and l.ordinal = p_ordinal;
  if not found then
    raise exception 'stepladder: the entry of the script is gone';
  end if;
end
$body$;
create or replace function @schema@.stepladder_done(p_token text, p_ordinal bigint, p_alone boolean)
returns bigint language plpgsql as $body$
declare
  took bigint;
begin
  perform 1 from @schema@.stepladder_lease l
    where l.id = 1 and l.token = p_token and l.expires > clock_timestamp() for update;
  if not found then
    raise exception '@lost@';
  end if;
  if p_alone then
    insert into @schema@.stepladder_ledger (event, direction, version, label, checksum, ordinal, down_checksum,
        down_extension, down_script, duration_ms, run, who, tool)
      select 'done', b.direction, b.version, b.label, b.checksum, b.ordinal, b.down_checksum, b.down_extension,
        b.down_script, (extract(epoch from clock_timestamp() - b.at) * 1000)::bigint, b.run, b.who, b.tool
      from @schema@.stepladder_ledger b
      where b.seq = (select max(seq) from @schema@.stepladder_ledger) and b.event = 'begun' and b.ordinal = p_ordinal
      returning duration_ms into took;
  else
    update @schema@.stepladder_ledger l
      set event = 'done', at = clock_timestamp(),
        duration_ms = (extract(epoch from clock_timestamp() - l.at) * 1000)::bigint
      where l.seq = (select max(seq) from @schema@.stepladder_ledger) and l.event = 'begun'
        and l.ordinal = p_ordinal and l.xid = txid_current()
      returning l.duration_ms into took;
  end if;
  if took is null then
    raise exception '@ended@';
  end if;
  return took;
end
$body$;
insert into @schema@.stepladder_meta (format)
  select @format@ where not exists (select 1 from @schema@.stepladder_meta);
