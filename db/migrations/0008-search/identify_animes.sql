-- Finds the titles of the rows of a batch of animes_clean that have no source_id: the title that has the
-- id under which this service exported the row and still its name, else the one title with the same title
-- and, where asked, type and year. With @sourceless, only titles without a source_id come into question.
-- Rows that are an earlier one's title, or could be several titles, are taken out and given back.
create procedure identify_animes @batch nvarchar(64), @by_type bit, @by_year bit, @sourceless bit as
begin
  set nocount on
  set xact_abort on
  create table #left (position bigint not null primary key, several bit not null)

  insert into #left (position, several)
  select r.position, 0 from (
    select position, row_number() over (
      partition by exported_id,
        case when exported_id is null then title end collate Latin1_General_BIN2,
        case when exported_id is null and @by_type = 1 then type end,
        case when exported_id is null and @by_year = 1 then year end
      order by position) as nth
    from animes_clean where batch = @batch and source_id is null) r
  where r.nth > 1

  update c set known = a.id
  from animes_clean c join animes a on a.id = c.exported_id
  where c.batch = @batch and c.source_id is null and a.title collate Latin1_General_BIN2 = c.title
    and (@sourceless = 0 or a.source_id is null)
    and not exists (select 1 from #left l where l.position = c.position)

  create table #candidates (position bigint not null primary key, known int not null, titles int not null)
  insert into #candidates (position, known, titles)
  select c.position, min(a.id), count(*)
  from animes_clean c join animes a
    -- Found by the index of normal forms; a row written by hand may lack it.
    on a.sort_title in (c.sort_title, N'')
  where c.batch = @batch and c.source_id is null and c.known is null
    and a.title collate Latin1_General_BIN2 = c.title
    and (@by_type = 0 or a.type = c.type)
    and (@by_year = 0 or coalesce(a.year, -1) = coalesce(c.year, -1))
    and (@sourceless = 0 or a.source_id is null)
    and not exists (select 1 from animes_clean k where k.batch = @batch and k.known = a.id)
    and not exists (select 1 from #left l where l.position = c.position)
  group by c.position
  insert into #left (position, several) select position, 1 from #candidates where titles > 1

  -- Of rows that only the ids of another database tell apart, one is the title, the others are new.
  update c set known = m.known
  from animes_clean c join (
    select known, min(position) as position from #candidates where titles = 1 group by known) m
    on m.position = c.position
  where c.batch = @batch

  select c.line, c.title, l.several
  from #left l join animes_clean c on c.batch = @batch and c.position = l.position
  order by c.position
  delete from animes_clean where batch = @batch and position in (select position from #left)
end
