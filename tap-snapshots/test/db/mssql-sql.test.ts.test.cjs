/* IMPORTANT
 * This snapshot file is auto-generated, but designed for humans.
 * It should be checked into source control and tracked carefully.
 * Re-generate by setting TAP_SNAPSHOT=1 and running tests.
 * Make sure to inspect the output below.  Do not ignore changes!
 */
'use strict'
exports[`test/db/mssql-sql.test.ts > TAP > a search, and a suggestion > cowboy bebop 1`] = `

select (select min(word) from search_words where word >= @1 and word < @2) as a, (select max(word) from search_words where word >= @3 and word < @4) as b
-- string, string, string, string
;
select count(*) as n, max(id) as last, count(nullif(first_id, 0)) as other from ( select first_id, id from search_words where word >= @1 and word < @2 order by word offset 0 rows fetch next 4000 rows only) as x
-- string, string
;
select (select min(word) from search_words where word >= @1 and word < @2) as a, (select max(word) from search_words where word >= @3 and word < @4) as b
-- string, string, string, string
;
select count(*) as n, max(id) as last, count(nullif(first_id, 0)) as other from ( select first_id, id from search_words where word >= @1 and word < @2 order by word offset 0 rows fetch next 4000 rows only) as x
-- string, string
;
select word, entries from search_words where word >= @1 and word < @2 order by word, first_id
-- string, string
;
select word from search_words where word in (@1, @2, @3, @4, @5) and first_id = 0 union all select word from search_words where word >= @6 and word < @7 and first_id = 0 and substring(word, @8, 1) <> '' and substring(word, @9, 1) = ''
-- string, string, string, string, string, string, string, number, number
;
select mirrored from search_words where mirrored >= @1 and mirrored < @2 and first_id = 0 and substring(mirrored, @3, 1) <> '' and substring(mirrored, @4, 1) = ''
-- string, string, number, number
;
select word from search_words where word in (@1, @2, @3, @4) and first_id = 0 union all select word from search_words where word >= @5 and word < @6 and first_id = 0 and substring(word, @7, 1) <> '' and substring(word, @8, 1) = ''
-- string, string, string, string, string, string, number, number
;
select mirrored from search_words where mirrored >= @1 and mirrored < @2 and first_id = 0 and substring(mirrored, @3, 1) <> '' and substring(mirrored, @4, 1) = ''
-- string, string, number, number

`

exports[`test/db/mssql-sql.test.ts > TAP > a search, and a suggestion > cowboy 雪国 1`] = `

select (select min(word) from search_words where word >= @1 and word < @2) as a, (select max(word) from search_words where word >= @3 and word < @4) as b
-- string, string, string, string
;
select count(*) as n, max(id) as last, count(nullif(first_id, 0)) as other from ( select first_id, id from search_words where word >= @1 and word < @2 order by word offset 0 rows fetch next 4000 rows only) as x
-- string, string
;
select count(*) as n, max(id) as last from search_words where word = @1
-- string
;
select word, entries from search_words where word >= @1 and word < @2 order by word, first_id
-- string, string
;
select word from search_words where word in (@1, @2, @3, @4, @5) and first_id = 0 union all select word from search_words where word >= @6 and word < @7 and first_id = 0 and substring(word, @8, 1) <> '' and substring(word, @9, 1) = ''
-- string, string, string, string, string, string, string, number, number
;
select mirrored from search_words where mirrored >= @1 and mirrored < @2 and first_id = 0 and substring(mirrored, @3, 1) <> '' and substring(mirrored, @4, 1) = ''
-- string, string, number, number
;
select word, entries from search_words where word = @1 order by word, first_id
-- string

`

exports[`test/db/mssql-sql.test.ts > TAP > a search, and a suggestion > suggest 1`] = `

select 0 as x where exists ( select 1 from animes as a where a.sort_title >= @1 and a.sort_title < @2) union all select 1 as x where exists ( select 1 from animes as a where a.sort_title >= @3 and a.sort_title < @4)
-- string, string, string, string
;
select count(*) as n from (select a.id from animes as a where a.sort_title = @1 order by a.sort_title offset 0 rows fetch next 16001 rows only) as x
-- string
;
select max(a.score) from animes as a
;
select a.id, a.score from animes as a where a.sort_title = @1 order by a.score desc, a.id offset 0 rows fetch next 10 rows only
-- string
;
select count(*) as n from (select a.id from animes as a where a.sort_title > @1 and a.sort_title < @2 order by a.sort_title offset 0 rows fetch next 16001 rows only) as x
-- string, string
;
select max(a.score) from animes as a
;
select a.id, a.score from animes as a where a.sort_title > @1 and a.sort_title < @2 order by a.score desc, a.id offset 0 rows fetch next 10 rows only
-- string, string
;
select count(*) as n, max(id) as last from search_words where word = @1
-- string
;
select max(a.score) from animes as a
;
select word, entries from search_words where word = @1 order by word, first_id
-- string
;
select (select min(word) from search_words where word >= @1 and word < @2) as a, (select max(word) from search_words where word >= @3 and word < @4) as b
-- string, string, string, string
;
select count(*) as n, max(id) as last, count(nullif(first_id, 0)) as other from ( select first_id, id from search_words where word >= @1 and word < @2 order by word offset 0 rows fetch next 4000 rows only) as x
-- string, string
;
select max(a.score) from animes as a
;
select word, entries from search_words where word >= @1 and word < @2 order by word, first_id
-- string, string

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > begin session 1`] = `

begin
;
update "users" set "role" = "role" where "id" = @1
-- number
;
select "id", "email", "role", "password_hash", "firebase_uid", "created_at" from "users" where "id" = @1
-- number
;
delete from "refresh_tokens" where "user_id" = @1 and "expires_at" < @2
-- number, string
;
insert into "refresh_tokens" ("family", "user_id", "address", "signed_in_at", "hash", "expires_at", "used_at") values (@1, @2, @3, @4, @5, @6, @7)
-- string, number, string, string, string, string, object
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > change password 1`] = `

begin
;
update "users" set "role" = "role" where "id" = @1
-- number
;
select "id", "email", "role", "password_hash", "firebase_uid", "created_at" from "users" where "id" = @1
-- number
;
update "users" set "password_hash" = @1 where "id" = @2
-- string, number
;
update "refresh_tokens" set "used_at" = @1 where "user_id" = @2
-- string, number
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > delete user 1`] = `

begin
;
delete from "users" where "id" = @1
-- number
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > end sessions 1`] = `

begin
;
update "users" set "role" = "role" where "id" = @1
-- number
;
select "id", "email", "role", "password_hash", "firebase_uid", "created_at" from "users" where "id" = @1
-- number
;
update "refresh_tokens" set "used_at" = @1 where "user_id" = @2
-- string, number
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > find session 1`] = `

select "family", "user_id", "address", "signed_in_at", "used_at" from "refresh_tokens" where "hash" = @1 and "expires_at" > @2
-- string, string

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > find user 1`] = `

select "id", "email", "role", "password_hash", "firebase_uid", "created_at" from "users" where "email" = @1
-- string

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > insert user 1`] = `

begin
;
insert into "users" ("password_hash", "firebase_uid", "email", "role", "created_at") values (@1, @2, @3, @4, @5)
-- object, object, string, string, string
;
select "id", "email", "role", "password_hash", "firebase_uid", "created_at" from "users" where "email" = @1
-- string
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > known address 1`] = `

select "r"."hash" from "refresh_tokens" as "r" inner join "users" as "u" on "u"."id" = "r"."user_id" where "u"."email" = @1 and "r"."address" = @2 and "r"."expires_at" > @3
-- string, string, string

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > list users 1`] = `

select "id", "email", "role", "password_hash", "firebase_uid", "created_at" from "users" order by "email"

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > rotate token 1`] = `

begin
;
update "users" set "role" = "role" where "id" = @1
-- number
;
select "id", "email", "role", "password_hash", "firebase_uid", "created_at" from "users" where "id" = @1
-- number
;
select "used_at" from "refresh_tokens" where "hash" = @1
-- string
;
update "refresh_tokens" set "used_at" = @1 where "hash" = @2
-- string, string
;
delete from "refresh_tokens" where "user_id" = @1 and "expires_at" < @2
-- number, string
;
insert into "refresh_tokens" ("family", "user_id", "address", "signed_in_at", "hash", "expires_at", "used_at") values (@1, @2, @3, @4, @5, @6, @7)
-- string, number, string, string, string, string, object
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > accounts > update user 1`] = `

begin
;
update "users" set "role" = @1 where "id" = @2
-- string, number
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > {"genre":["Action","Drama"]} 1`] = `

select max(id) from animes
;
select g.anime_id from anime_genres as g where g.genre = @1 and exists (select 1 from anime_genres as x where x.genre = @2 and x.anime_id = g.anime_id) order by g.anime_id offset 0 rows fetch next 1343 rows only
-- string, string

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > {"minYear":1999,"maxYear":2005,"minScore":7.5,"maxScore":9} 1`] = `

select max(id) from animes
;
select a.id from animes as a where a.year >= @1 and a.year <= @2 and a.score >= @3 and a.score <= @4 order by a.id offset 0 rows fetch next 1343 rows only
-- number, number, number, number

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > {"type":"TV","genre":["Drama"],"year":2001,"minScore":8} 1`] = `

select max(id) from animes
;
select a.id from animes as a where a.type = @1 and a.year = @2 and a.score >= @3 and exists (select 1 from anime_genres as x where x.genre = @4 and x.anime_id = a.id) order by a.id offset 0 rows fetch next 1343 rows only
-- string, number, number, string

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > {"type":"TV"} 1`] = `

select max(id) from animes
;
select a.id from animes as a where a.type = @1 order by a.id offset 0 rows fetch next 1343 rows only
-- string

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > {"year":2001} 1`] = `

select max(id) from animes
;
select a.id from animes as a where a.year = @1 order by a.id offset 0 rows fetch next 1343 rows only
-- number

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > {} 1`] = `

select count(*) from animes as a where 1 = 1

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > after [2001,7] 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.type = @1 and a.year = @2 and a.id > @3 order by a.id offset 0 rows fetch next 20 rows only
-- string, number, number
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.type = @1 and a.year > @2 order by a.year, a.id offset 0 rows fetch next 20 rows only
-- string, number
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.type = @1 and a.year is null order by a.id offset 0 rows fetch next 20 rows only
-- string

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > after [7] 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.type = @1 and a.id > @2 order by a.id offset 0 rows fetch next 20 rows only
-- string, number

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > after [8.5,"x",7] 1`] = `

select max(id) from animes
;
select a.id from animes as a where a.type = @1 and a.score = @2 order by a.id offset 0 rows fetch next 1343 rows only
-- string, number
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id in (select cast(value as int) from openjson(@1)) and ((a.sort_title > @2) or (a.sort_title = @3 and a.id > @4)) order by a.sort_title, a.id offset 0 rows fetch next 20 rows only
-- string, string, string, number
;
select max(id) from animes
;
select max(a.score) from animes as a where a.score < @1
-- number
;
select max(id) from animes
;
select a.id from animes as a where a.type = @1 and a.score is null order by a.id offset 0 rows fetch next 1343 rows only
-- string
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id in (select cast(value as int) from openjson(@1)) order by a.sort_title, a.id offset 0 rows fetch next 20 rows only
-- string

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > after [null,"x",7] 1`] = `

select max(id) from animes
;
select a.id from animes as a where a.type = @1 and a.score is null order by a.id offset 0 rows fetch next 1343 rows only
-- string
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id in (select cast(value as int) from openjson(@1)) and ((a.sort_title > @2) or (a.sort_title = @3 and a.id > @4)) order by a.sort_title, a.id offset 0 rows fetch next 20 rows only
-- string, string, string, number

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by -episodes 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.episodes is not null order by a.episodes desc, a.id desc offset 0 rows fetch next 20 rows only
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.episodes is null order by a.id desc offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by -id 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where 1 = 1 order by a.id desc offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by -score 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.score is not null order by a.score desc, a.id desc offset 0 rows fetch next 20 rows only
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.score is null order by a.id desc offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by -title 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where 1 = 1 order by a.sort_title desc, a.id desc offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by -type 1`] = `

select max(a.type) from animes as a

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by -year 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.year is not null order by a.year desc, a.id desc offset 0 rows fetch next 20 rows only
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.year is null order by a.id desc offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by episodes 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.episodes is not null order by a.episodes, a.id offset 0 rows fetch next 20 rows only
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.episodes is null order by a.id offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by id 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where 1 = 1 order by a.id offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by score 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.score is not null order by a.score, a.id offset 0 rows fetch next 20 rows only
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.score is null order by a.id offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by title 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where 1 = 1 order by a.sort_title, a.id offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by type 1`] = `

select min(a.type) from animes as a

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > by year 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.year is not null order by a.year, a.id offset 0 rows fetch next 20 rows only
;
select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.year is null order by a.id offset 0 rows fetch next 20 rows only

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > of few, after [2001,7] 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id in (select cast(value as int) from openjson(@1)) and (((a.year > @2 or a.year is null)) or (a.year = @3 and a.id > @4)) order by case when a.year is null then 1 else 0 end, a.year, a.id offset 0 rows fetch next 20 rows only
-- string, number, number, number

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > of few, after [7] 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id in (select cast(value as int) from openjson(@1)) and ((a.id > @2)) order by a.id offset 0 rows fetch next 20 rows only
-- string, number

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > of few, after [8.5,"x",7] 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id in (select cast(value as int) from openjson(@1)) and (((a.score < @2 or a.score is null)) or (a.score = @3 and a.sort_title > @4) or (a.score = @5 and a.sort_title = @6 and a.id > @7)) order by a.score desc, a.sort_title, a.id offset 0 rows fetch next 20 rows only
-- string, number, number, string, number, string, number

`

exports[`test/db/mssql-sql.test.ts > TAP > lists > of few, after [null,"x",7] 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id in (select cast(value as int) from openjson(@1)) and ((a.score is null and a.sort_title > @2) or (a.score is null and a.sort_title = @3 and a.id > @4)) order by a.score desc, a.sort_title, a.id offset 0 rows fetch next 20 rows only
-- string, string, string, number

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > accounts 1`] = `

create table "users" ("id" int identity primary key, "email" nvarchar(254) collate Latin1_General_BIN2 not null, "role" nvarchar(16) collate Latin1_General_BIN2 not null, "password_hash" nvarchar(255) collate Latin1_General_BIN2, "firebase_uid" nvarchar(128) collate Latin1_General_BIN2, "created_at" nvarchar(24) collate Latin1_General_BIN2 not null)
;
create unique index "users_email" on "users" ("email")
;
create unique index "users_firebase_uid" on "users" ("firebase_uid") where "firebase_uid" is not null
;
create table "refresh_tokens" ("hash" nvarchar(43) collate Latin1_General_BIN2 not null, "family" nvarchar(36) collate Latin1_General_BIN2 not null, "user_id" int not null, "address" nvarchar(43) collate Latin1_General_BIN2 not null, "signed_in_at" nvarchar(24) collate Latin1_General_BIN2 not null, "expires_at" nvarchar(24) collate Latin1_General_BIN2 not null, "used_at" nvarchar(24) collate Latin1_General_BIN2, constraint "refresh_tokens_pk" primary key ("hash"), constraint "refresh_tokens_user" foreign key ("user_id") references "users" ("id") on delete cascade)
;
create index "refresh_tokens_family" on "refresh_tokens" ("family")
;
create index "refresh_tokens_user_id" on "refresh_tokens" ("user_id")

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > catalogue 1`] = `

create table "animes" ("id" int identity primary key, "source_id" int, "title" nvarchar(400) collate Latin1_General_CI_AS not null, "type" nvarchar(16) collate Latin1_General_BIN2 not null, "year" int, "score" decimal(4, 2), "episodes" int, "genres" nvarchar(max) not null)
;
create unique index "animes_source_id" on "animes" ("source_id") where "source_id" is not null
;
create index "animes_type" on "animes" ("type", "id")
;
create index "animes_year" on "animes" ("year", "id")
;
create index "animes_score" on "animes" ("score", "id")
;
create index "animes_episodes" on "animes" ("episodes", "id")
;
create index "animes_title" on "animes" ("title", "id")
;
create table "anime_genres" ("genre" nvarchar(64) collate Latin1_General_BIN2 not null, "anime_id" int not null, constraint "anime_genres_pk" primary key ("genre", "anime_id"), constraint "anime_genres_anime" foreign key ("anime_id") references "animes" ("id") on delete cascade)
;
create index "anime_genres_anime_id" on "anime_genres" ("anime_id")
;
create table "outbox" ("id" int identity primary key, "tags" nvarchar(max) not null, "mark" nvarchar(64) collate Latin1_General_BIN2, "created_at" datetime2(3) default sysutcdatetime() not null)

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > importProcedure 1`] = `

create table "animes_staging" ("batch" nvarchar(64) collate Latin1_General_BIN2 not null, "id" bigint identity not null, "source_id" nvarchar(400), "title" nvarchar(4000), "type" nvarchar(400), "year" nvarchar(400), "score" nvarchar(400), "episodes" nvarchar(400), "genres" nvarchar(max), constraint "animes_staging_pk" primary key ("batch", "id"))
;
create index "outbox_mark" on "outbox" ("mark")

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > listIndexes 1`] = `

drop index "animes_type" on "animes"
;
create index "animes_type" on "animes" ("type", "episodes", "id", "year", "score")
;
drop index "animes_year" on "animes"
;
create index "animes_year" on "animes" ("year", "id", "type", "score")
;
drop index "animes_score" on "animes"
;
create index "animes_score" on "animes" ("score", "id", "type", "year")
;
drop index "animes_episodes" on "animes"
;
create index "animes_episodes" on "animes" ("episodes", "id", "type", "year", "score")

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > lock 1`] = `

begin
;
declare @held int, @lock nvarchar(255) = concat('anime-api schema of ', db_name())
exec @held = sp_getapplock @Resource = @lock, @LockMode = 'Exclusive',
@LockOwner = 'Transaction', @LockTimeout = -1
if @held < 0 throw 51000, 'another process is changing the schema', 1
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > merge 1`] = `

create table "animes_clean" ("batch" nvarchar(64) collate Latin1_General_BIN2 not null, "position" bigint identity not null, "source_id" int, "exported_id" int, "line" int, "title" nvarchar(400) collate Latin1_General_CI_AS not null, "type" nvarchar(16) collate Latin1_General_BIN2 not null, "year" int, "score" float, "episodes" int, "genres" nvarchar(max) not null, "genre_names" nvarchar(max) not null, "known" int, constraint "animes_clean_pk" primary key ("batch", "position"))
;
drop procedure if exists import_animes
;
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
from animes_clean c join animes a on a.title = c.title
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
;
-- Merges the rows of a batch of animes_clean into the catalogue: what differs is changed, what is missing
-- is added and, with @replace, what is too much is removed. Columns that are not among @given, such as
-- N',title,year,', are not touched on titles that are there. Gives the counts; @skipped is passed on.
create procedure merge_animes @batch nvarchar(64), @replace bit = 0, @skipped int = 0,
@given nvarchar(400) = N',title,type,year,score,episodes,genres,' as
begin
set nocount on
set xact_abort on
declare @lock_result int, @rows int, @added int, @changed int, @removed int = 0, @last int
declare @type bit = case when @given like N'%,type,%' then 1 else 0 end,
@year bit = case when @given like N'%,year,%' then 1 else 0 end,
@score bit = case when @given like N'%,score,%' then 1 else 0 end,
@episodes bit = case when @given like N'%,episodes,%' then 1 else 0 end,
@genres bit = case when @given like N'%,genres,%' then 1 else 0 end

begin transaction
-- One import at a time, whoever calls.
exec @lock_result = sp_getapplock @Resource = 'import_animes', @LockMode = 'Exclusive',
@LockOwner = 'Transaction', @LockTimeout = 60000
if @lock_result < 0 throw 51001, 'another import is running', 1

set @rows = (select count(*) from animes_clean where batch = @batch)
-- With @replace, a batch of nothing would empty the catalogue.
if @rows = 0 throw 51002, 'no row of the batch can be taken', 1
set @last = (select coalesce(max(id), 0) from animes)

update c set known = a.id
from animes_clean c join animes a on a.source_id = c.source_id
where c.batch = @batch

create table #genre_changes (id int not null primary key, names nvarchar(max) collate Latin1_General_BIN2)
insert into #genre_changes (id, names)
select a.id, c.genre_names from animes_clean c join animes a on a.id = c.known
where c.batch = @batch and @genres = 1 and a.genres collate Latin1_General_BIN2 <> c.genres
delete from anime_genres where anime_id in (select id from #genre_changes)

update a set title = c.title,
type = case when @type = 1 then c.type else a.type end,
year = case when @year = 1 then c.year else a.year end,
score = case when @score = 1 then cast(c.score as decimal(4, 2)) else a.score end,
episodes = case when @episodes = 1 then c.episodes else a.episodes end,
genres = case when @genres = 1 then c.genres else a.genres end
from animes a join animes_clean c on c.batch = @batch and c.known = a.id
where a.title collate Latin1_General_BIN2 <> c.title or (@type = 1 and a.type <> c.type)
or (@genres = 1 and a.genres collate Latin1_General_BIN2 <> c.genres)
or (@year = 1 and coalesce(a.year, -1) <> coalesce(c.year, -1))
or (@score = 1 and coalesce(a.score, -1) <> coalesce(cast(c.score as decimal(4, 2)), -1))
or (@episodes = 1 and coalesce(a.episodes, -1) <> coalesce(c.episodes, -1))
set @changed = @@rowcount

insert into animes (source_id, title, type, year, score, episodes, genres)
select c.source_id, c.title, c.type, c.year, cast(c.score as decimal(4, 2)), c.episodes, c.genres
from animes_clean c
where c.batch = @batch and c.known is null
-- As on SQLite, rows without a source_id come last.
order by case when c.source_id is null then 1 else 0 end, c.position
set @added = @@rowcount

-- A title that the API adds meanwhile has its genres already.
insert into #genre_changes (id, names)
select a.id, j.names from animes a join (
select genres, min(genre_names) as names from animes_clean where batch = @batch group by genres) j
on j.genres = a.genres collate Latin1_General_BIN2
where a.id > @last and not exists (select 1 from anime_genres g where g.anime_id = a.id)
insert into anime_genres (genre, anime_id)
select cast(n.value as nvarchar(64)), g.id
from #genre_changes g cross apply string_split(g.names, nchar(65533)) n
where g.names <> N''

if @replace = 1
begin
delete from animes where id <= @last and not exists (
select 1 from animes_clean c where c.batch = @batch and c.known = animes.id)
set @removed = @@rowcount
end

delete from animes_clean where batch = @batch
if @added + @changed + @removed > 0 insert into outbox (tags) values (N'*')
commit transaction
select @added as added, @changed as changed, @rows - @added - @changed as unchanged,
@removed as removed, @skipped as skipped
end
;
-- For Data Factory, whose rows are raw text: cleans the rows of a batch of animes_staging and merges
-- them. It cleans as db/import/mapping.ts does; test/db/cleaning-cases.ts has the cases for both.
create procedure import_animes @batch nvarchar(64), @replace bit = 0 as
begin
set nocount on
set xact_abort on
-- What JavaScript's trim() takes away.
declare @blanks nvarchar(40) = nchar(9) + nchar(10) + nchar(11) + nchar(12) + nchar(13) + nchar(32)
+ nchar(160) + nchar(5760) + nchar(8192) + nchar(8193) + nchar(8194) + nchar(8195) + nchar(8196)
+ nchar(8197) + nchar(8198) + nchar(8199) + nchar(8200) + nchar(8201) + nchar(8202) + nchar(8232)
+ nchar(8233) + nchar(8239) + nchar(8287) + nchar(12288) + nchar(65279)
-- Characters that no text has (Unicode noncharacters), in the place of escaped ones.
declare @backslash nchar(1) = nchar(64976), @single nchar(1) = nchar(64977),
@double nchar(1) = nchar(64978), @dropped nchar(1) = nchar(64979)
declare @read int, @skipped int, @remaining int

begin transaction
-- 1. The texts without the blanks around them.
create table #raw (
id bigint not null primary key, source_id nvarchar(400) collate Latin1_General_BIN2, title nvarchar(4000) collate Latin1_General_BIN2,
type nvarchar(400) collate Latin1_General_BIN2, year nvarchar(400) collate Latin1_General_BIN2, score nvarchar(400) collate Latin1_General_BIN2,
episodes nvarchar(400) collate Latin1_General_BIN2, genres nvarchar(max) collate Latin1_General_BIN2)
insert into #raw (id, source_id, title, type, year, score, episodes, genres)
select id, trim(@blanks from coalesce(source_id, N'')), trim(@blanks from coalesce(title, N'')), trim(@blanks from coalesce(type, N'')), trim(@blanks from coalesce(year, N'')), trim(@blanks from coalesce(score, N'')), trim(@blanks from coalesce(episodes, N'')), trim(@blanks from coalesce(genres, N''))
from animes_staging where batch = @batch
set @read = @@rowcount

-- 2. Genres: a Python list literal, each text once. Escaped characters give way to others first, so
-- that every quote still there opens or closes a name; then a name is taken off all texts at a time.
create table #genre_texts (
id int identity primary key, text nvarchar(max) collate Latin1_General_BIN2, inside nvarchar(max) collate Latin1_General_BIN2,
json nvarchar(max) collate Latin1_General_BIN2, names nvarchar(max) collate Latin1_General_BIN2, bad bit not null)
insert into #genre_texts (text, inside, bad)
select d.genres,
case when d.genres like N'[[]%]' then trim(@blanks from coalesce(substring(d.genres, 2, len(d.genres) - 2), N'')) else d.genres end,
case when charindex(nchar(65533), d.genres) > 0 or charindex(@backslash, d.genres) > 0
or charindex(@single, d.genres) > 0 or charindex(@double, d.genres) > 0
or charindex(@dropped, d.genres) > 0 then 1 else 0 end
from (select distinct genres from #raw) d

create table #remaining (text_id int not null primary key, remaining nvarchar(max) collate Latin1_General_BIN2)
insert into #remaining (text_id, remaining)
select id, replace(replace(replace(replace(inside, N'\\\\', @backslash), N'\\''', @single), N'\\"', @double), N'\\', @dropped)
from #genre_texts where bad = 0 and not (lower(inside) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan'))
-- A backslash that escapes no quote and no backslash is left to npm run import, which knows them all.
update t set bad = 1 from #genre_texts t join #remaining r on r.text_id = t.id
where charindex(@dropped, r.remaining) > 0
delete from #remaining where charindex(@dropped, remaining) > 0
set @remaining = (select count(*) from #remaining)

create table #names (
text_id int not null, position int not null, name nvarchar(max) collate Latin1_General_BIN2, bare bit not null)
create table #taken (
text_id int not null primary key, name nvarchar(max) collate Latin1_General_BIN2, remaining nvarchar(max) collate Latin1_General_BIN2,
bare bit not null, bad bit not null)
declare @position int = 0
while @remaining > 0
begin
set @position = @position + 1
delete from #taken
insert into #taken (text_id, name, remaining, bare, bad)
select q.text_id,
case when q.closing = 0 then N'' when q.quoted = 1 then substring(q.remaining, 2, q.closing - 2)
else left(q.remaining, q.closing - 1) end,
case when q.closing = 0 then N'' when q.quoted = 1 then trim(@blanks from coalesce(substring(q.remaining, q.closing + 1, len(q.remaining)), N''))
else substring(q.remaining, q.closing, len(q.remaining)) end,
1 - q.quoted, case when q.closing = 0 then 1 else 0 end
from (
select s.text_id, s.remaining, s.quoted,
case when s.quoted = 1 then charindex(left(s.remaining, 1), s.remaining, 2)
else patindex(N'%[,''"]%', s.remaining + N',') end as closing
from (
select text_id, trim(@blanks from coalesce(remaining, N'')) as remaining,
case when left(trim(@blanks from coalesce(remaining, N'')), 1) in (N'''', N'"') then 1 else 0 end as quoted
from #remaining) s) q
-- Between a name and the next there is a comma; a bare name has at least one character, no quote.
update #taken set bad = 1 where remaining <> N'' and left(remaining, 1) <> N','
update #taken set bad = 1 where bare = 1 and (name = N''
or charindex(@single, name) > 0 or charindex(@double, name) > 0)
update t set bad = 1 from #genre_texts t join #taken s on s.text_id = t.id where s.bad = 1
insert into #names (text_id, position, name, bare)
select text_id, @position, name, bare from #taken where bad = 0
delete from #remaining
insert into #remaining (text_id, remaining)
select text_id, substring(remaining, 2, len(remaining)) from #taken
where bad = 0 and remaining <> N'' and remaining <> N','
set @remaining = @@rowcount
end
update #names set name = trim(@blanks from coalesce(replace(replace(replace(name, @backslash, N'\\'), @single, N''''), @double, N'"'), N''))
update t set bad = 1 from #genre_texts t
where exists (select 1 from #names n where n.text_id = t.id
and (n.name = N'' or len(n.name) > 64))

create table #genres (
text_id int not null, position int not null, name nvarchar(64) collate Latin1_General_BIN2 not null,
quoted nvarchar(400) collate Latin1_General_BIN2 not null, primary key (text_id, name))
insert into #genres (text_id, position, name, quoted)
select n.text_id, min(n.position), cast(n.name as nvarchar(64)),
N'"' + replace(replace(cast(n.name as nvarchar(64)), N'\\', @backslash), N'"', N'\\"') + N'"'
from #names n join #genre_texts t on t.id = n.text_id
where t.bad = 0 group by n.text_id, cast(n.name as nvarchar(64))
declare @control int = 1, @hex nchar(16) = N'0123456789abcdef'
while @control < 32 and exists (select 1 from #genres where quoted like N'%[' + nchar(1) + N'-' + nchar(31) + N']%')
begin
update #genres set quoted = replace(quoted, nchar(@control),
case @control when 8 then N'\\b' when 9 then N'\\t' when 10 then N'\\n' when 12 then N'\\f' when 13 then N'\\r'
else N'\\u00' + substring(@hex, @control / 16 + 1, 1) + substring(@hex, @control % 16 + 1, 1) end)
where charindex(nchar(@control), quoted) > 0
set @control = @control + 1
end
-- Not by replace(): a server may read two backslashes there as one.
while exists (select 1 from #genres where charindex(@backslash, quoted) > 0)
update #genres set quoted = stuff(quoted, charindex(@backslash, quoted), 1, N'\\\\')
where charindex(@backslash, quoted) > 0
update t set bad = 1 from #genre_texts t
where (select count(*) from #genres g where g.text_id = t.id) > 32
update #genre_texts set json = N'[]', names = N''
update t set json = N'[' + j.quoted + N']', names = j.names from #genre_texts t join (
select text_id, string_agg(cast(quoted as nvarchar(max)), N',') within group (order by position) as quoted,
string_agg(cast(name as nvarchar(max)), nchar(65533)) within group (order by position) as names
from #genres group by text_id) j on j.text_id = t.id

-- 3. The rows that can be taken; of those with one source_id, the first.
create table #parts (
id bigint not null primary key, text_id int not null, type nvarchar(400) collate Latin1_General_BIN2, score float,
source_id_whole nvarchar(400) collate Latin1_General_BIN2, source_id_fraction nvarchar(400) collate Latin1_General_BIN2,
year_whole nvarchar(400) collate Latin1_General_BIN2, year_fraction nvarchar(400) collate Latin1_General_BIN2,
episodes_whole nvarchar(400) collate Latin1_General_BIN2, episodes_fraction nvarchar(400) collate Latin1_General_BIN2,
no_year bit not null, no_score bit not null, no_episodes bit not null)
insert into #parts
select r.id, t.id, case when lower(r.type) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then N'UNKNOWN' else upper(r.type) end,
case when r.score not like N'%[^0-9.]%' and r.score like N'[0-9]%' and r.score like N'%[0-9]'
and r.score not like N'%.%.%' and len(r.score) <= 300 then cast(r.score as float) end,
-- Minus nothing is nothing.
case when r.source_id like N'-0%' and r.source_id not like N'-%[^0.]%' then substring(case when charindex(N'.', r.source_id) > 0 then left(r.source_id, charindex(N'.', r.source_id) - 1) else r.source_id end, 2, 400)
else case when charindex(N'.', r.source_id) > 0 then left(r.source_id, charindex(N'.', r.source_id) - 1) else r.source_id end end, case when charindex(N'.', r.source_id) > 0 then substring(r.source_id, charindex(N'.', r.source_id) + 1, 400) else N'0' end,
case when charindex(N'.', r.year) > 0 then left(r.year, charindex(N'.', r.year) - 1) else r.year end, case when charindex(N'.', r.year) > 0 then substring(r.year, charindex(N'.', r.year) + 1, 400) else N'0' end,
case when charindex(N'.', r.episodes) > 0 then left(r.episodes, charindex(N'.', r.episodes) - 1) else r.episodes end, case when charindex(N'.', r.episodes) > 0 then substring(r.episodes, charindex(N'.', r.episodes) + 1, 400) else N'0' end,
case when lower(r.year) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then 1 else 0 end, case when lower(r.score) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then 1 else 0 end, case when lower(r.episodes) in (N'', N'?', N'unknown', N'n/a', N'none', N'null', N'nan') then 1 else 0 end
from #raw r join #genre_texts t on t.text = r.genres
-- No episodes means that nobody has counted them.
update #parts set no_episodes = 1
where episodes_whole like N'0%' and episodes_whole not like N'%[^0]%'
and episodes_fraction <> N'' and episodes_fraction not like N'%[^0]%'

create table #valid (
id bigint not null primary key, source_id int not null, title nvarchar(400) collate Latin1_General_BIN2 not null,
type nvarchar(16) collate Latin1_General_BIN2 not null, year int, score decimal(4, 2), episodes int, text_id int not null)
insert into #valid (id, source_id, title, type, year, score, episodes, text_id)
select v.id, case when v.source_id between 0 and 2147483647 then cast(v.source_id as int) end, left(v.title, 400), left(v.type, 16),
case when v.no_year = 0 then case when v.year between 1900 and 2100 then cast(v.year as int) end end,
-- As JavaScript rounds: half a hundredth goes up, in binary floating point.
case when v.no_score = 0 and v.score between 0 and 10
then cast(cast(floor(v.score * 100 + 0.5) as int) / 100.0 as decimal(4, 2)) end,
case when v.no_episodes = 0 then case when v.episodes between 1 and 100000 then cast(v.episodes as int) end end, v.text_id
from (
select p.id, p.text_id, r.title, p.type, p.score, p.no_year, p.no_score, p.no_episodes,

case when p.source_id_fraction <> N'' and p.source_id_fraction not like N'%[^0]%'
and p.source_id_whole <> N'' and p.source_id_whole not like N'%[^0-9]%' and len(p.source_id_whole) <= 10
then cast(p.source_id_whole as bigint) end as source_id,
case when p.year_fraction <> N'' and p.year_fraction not like N'%[^0]%'
and p.year_whole <> N'' and p.year_whole not like N'%[^0-9]%' and len(p.year_whole) <= 10
then cast(p.year_whole as bigint) end as year,
case when p.episodes_fraction <> N'' and p.episodes_fraction not like N'%[^0]%'
and p.episodes_whole <> N'' and p.episodes_whole not like N'%[^0-9]%' and len(p.episodes_whole) <= 10
then cast(p.episodes_whole as bigint) end as episodes
from #raw r join #parts p on p.id = r.id) v
where v.text_id not in (select id from #genre_texts where bad = 1)
and v.source_id between 0 and 2147483647
and v.title <> N'' and v.title <> N'?' and len(v.title) <= 400 and charindex(nchar(65533), v.title) = 0
and v.type in (N'TV', N'MOVIE', N'OVA', N'ONA', N'SPECIAL', N'MUSIC', N'UNKNOWN')
and (v.no_year = 1 or v.year between 1900 and 2100)
and (v.no_score = 1 or v.score between 0 and 10)
and (v.no_episodes = 1 or v.episodes between 1 and 100000)
-- Titles not yet aired come with a score of 10 that nobody gave.
update #valid set score = null where score = 10 and (year is null or episodes is null)

insert into animes_clean (batch, source_id, title, type, year, score, episodes, genres, genre_names)
select @batch, v.source_id, v.title, v.type, v.year, v.score, v.episodes, t.json, t.names
from #valid v
join (select source_id, min(id) as id from #valid group by source_id) f on f.id = v.id
join #genre_texts t on t.id = v.text_id
order by v.id
set @skipped = @read - @@rowcount

delete from animes_staging where batch = @batch
exec merge_animes @batch, @replace, @skipped
commit transaction
end

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > nameDatabase 1`] = `

create table "database_name" ("name" nvarchar(36) collate Latin1_General_BIN2 not null)
;
insert into database_name (name) values (@1)
-- string

`

exports[`test/db/mssql-sql.test.ts > TAP > migrations > prepare 1`] = `

select is_read_committed_snapshot_on as committed, snapshot_isolation_state as snapshot_state
from sys.databases where database_id = db_id()

`

exports[`test/db/mssql-sql.test.ts > TAP > one title, and the counts > counts 1`] = `

select type, count(*) from animes group by type
;
select year, count(*) from animes group by year
;
select score, count(*) from animes group by score
;
select genre, count(*) from anime_genres group by genre

`

exports[`test/db/mssql-sql.test.ts > TAP > one title, and the counts > find 1`] = `

select "id", "title", "type", "year", "score", "episodes", "genres" from "animes" where "id" = @1
-- number

`

exports[`test/db/mssql-sql.test.ts > TAP > one title, and the counts > read 1`] = `

select a.id, a.title, a.type, a.year, a.score, a.episodes, a.genres from animes as a where a.id = @1
-- number

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > database name 1`] = `

select "name" from "database_name"

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > delete 1`] = `

begin
;
delete from "animes" where "id" = @1
-- number
;
select s.id, s.word, s.first_id, s.entries from search_words f cross join search_words s
where f.word in (@1) and f.first_id = 0
and s.word = f.word and s.first_id <= @2 and s.first_id >= (
select max(m.first_id) from search_words m where m.word = f.word and m.first_id <= @3)
order by s.word, s.first_id
-- string, number, number
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > insert 1`] = `

begin
;
declare @held int, @lock nvarchar(255) = concat('search_words of ', db_name())
exec @held = sp_getapplock @Resource = @lock, @LockMode = 'Exclusive',
@LockOwner = 'Transaction', @LockTimeout = -1
if @held < 0 throw 51003, 'another write holds the words of search', 1
;
insert into "animes" ("title", "type", "year", "score", "episodes", "genres", "source_id", "sort_title") output "inserted"."id" values (@1, @2, @3, @4, @5, @6, @7, @8)
-- string, string, object, number, number, string, object, string
;
select s.id, s.word, s.first_id, s.entries from search_words f cross join search_words s
where f.word in (@1) and f.first_id = 0
and s.word = f.word and s.first_id <= @2 and s.first_id >= (
select max(m.first_id) from search_words m where m.word = f.word and m.first_id <= @3)
order by s.word, s.first_id
-- string, number, number
;
insert into search_words (word, mirrored, first_id, entries) values (@1, @2, @3, @4)
-- string, string, number, object
;
insert into "anime_genres" ("genre", "anime_id") values (@1, @2), (@3, @4)
-- string, number, string, number
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > lock 1`] = `

begin
;
declare @held int, @lock nvarchar(255) = concat('search_words of ', db_name())
exec @held = sp_getapplock @Resource = @lock, @LockMode = 'Exclusive',
@LockOwner = 'Transaction', @LockTimeout = -1
if @held < 0 throw 51003, 'another write holds the words of search', 1
update animes set type = type where id = @1
select "id", "title", "type", "year", "score", "episodes", "genres" from animes where id = @2
-- number, number
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > outbox: delete 1`] = `

delete from "outbox" where "id" in (@1, @2)
-- number, number

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > outbox: delete mark 1`] = `

delete from "outbox" where "mark" = @1
-- string

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > outbox: insert 1`] = `

begin
;
insert into "outbox" ("tags", "mark") values (@1, @2)
-- string, string
;
commit

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > outbox: read 1`] = `

select "id", "tags", "mark" from "outbox" order by "id"

`

exports[`test/db/mssql-sql.test.ts > TAP > writes > update 1`] = `

begin
;
update "animes" set "title" = @1, "type" = @2, "year" = @3, "score" = @4, "episodes" = @5, "genres" = @6, "sort_title" = @7 where "id" = @8
-- string, string, object, number, number, string, string, number
;
delete from "anime_genres" where "anime_id" = @1
-- number
;
insert into "anime_genres" ("genre", "anime_id") values (@1, @2)
-- string, number
;
commit

`
