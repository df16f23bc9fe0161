import { journalLength } from './replica.ts'

/*
 * The journal on Redis. One hash tag puts every key in one slot, so that a script may touch them all,
 * on a cluster too. KEYS[1] is the clock; the prefix before its `@clock` is that of all other keys.
 *
 *   @clock    "EPOCH POSITION TOKEN": the end of the journal            no TTL
 *   @server   the Redis server (run id) and database of the epoch       no TTL
 *   @journal  sorted set, score POSITION, member "POSITION TOKEN CHANGE" no TTL, bounded
 *   @marks    hash, mark id -> "EXPIRY CHANGE"                          no TTL, bounded by leases
 *   @quiet    there while nothing may be stored after a new epoch       TTL
 *   @c:PATH   sorted set of the dimensions below PATH, score expiry     TTL
 *   @k:PATH   sorted set of the answers filed under PATH, score expiry  TTL
 *   KEY       hash of an answer: epoch, position, meta, body            TTL
 *
 * What has no TTL is never evicted under a `volatile-*` policy, and a full Redis still takes a write's
 * mark (`allow-oom`, Redis 7). The index (@c, @k) may be: it only
 * finds keys to delete, and an answer is judged by the journal whenever it is loaded.
 */

const common = `#!lua flags=allow-oom
local P = string.sub(KEYS[1], 1, -7)
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function clock()
  local text = redis.call('GET', KEYS[1])
  if not text then return nil end
  local epoch, position, token = string.match(text, '^(%S+) (%d+) (%S+)$')
  if not epoch then return nil end
  return epoch, tonumber(position), token, text
end

local function touches(change, key, dimensions)
  if change == '*' then return true end
  if change.key then return change.key == key end
  for _, image in ipairs(change) do
    local has, all = {}, true
    for _, tag in ipairs(image) do has[tag] = true end
    for _, dimension in ipairs(dimensions) do
      if not has[dimension] then all = false end
    end
    if all then return true end
  end
  return false
end

-- Most changes have nothing to do with an answer, and need not be parsed to see it.
local function mentions(text, dimensions)
  if string.sub(text, 1, 1) ~= '[' then return true end
  for _, dimension in ipairs(dimensions) do
    if not string.find(text, '"' .. dimension .. '"', 1, true) then return false end
  end
  return true
end

local function decode(text)
  if text == '*' then return text end
  return cjson.decode(text)
end

local function untouched_since(position, key, dimensions)
  local _, current = clock()
  local entries = redis.call('ZRANGEBYSCORE', P .. '@journal', '(' .. position, '+inf')
  if #entries ~= current - position then return false end
  for _, entry in ipairs(entries) do
    local change = string.match(entry, '^%S+ %S+ (.*)$')
    if mentions(change, dimensions) and touches(decode(change), key, dimensions) then
      return false
    end
  end
  return true
end
`

const appending = `
local function append(text, token)
  local epoch, position = clock()
  position = position + 1
  redis.call('ZADD', P .. '@journal', position, position .. ' ' .. token .. ' ' .. text)
  redis.call('ZREMRANGEBYRANK', P .. '@journal', 0, -${journalLength + 1})
  redis.call('SET', KEYS[1], epoch .. ' ' .. position .. ' ' .. token)
end
`

const walking = `
local function below(path, tag)
  if path == '' then return tag end
  return path .. ',' .. tag
end

-- So many at a time, that nobody waits long for the server.
local room = 5000

local function take(path, found)
  if room == 0 then return end
  local keys = redis.call('ZRANGE', P .. '@k:' .. path, 0, room - 1)
  for _, key in ipairs(keys) do found[#found + 1] = P .. key end
  redis.call('ZREMRANGEBYRANK', P .. '@k:' .. path, 0, room - 1)
  room = room - #keys
end

local function walk(path, tags, from, found)
  take(path, found)
  for index = from, #tags do
    if redis.call('ZSCORE', P .. '@c:' .. path, tags[index]) then
      walk(below(path, tags[index]), tags, index + 1, found)
    end
  end
end

-- Removes the paths that it has cleared, so that the next time begins behind them.
local function walk_all(path, found)
  take(path, found)
  if room == 0 then return end
  for _, tag in ipairs(redis.call('ZRANGE', P .. '@c:' .. path, 0, room - 1)) do
    walk_all(below(path, tag), found)
    if room == 0 then return end
    redis.call('ZREM', P .. '@c:' .. path, tag)
    room = room - 1
    if room == 0 then return end
  end
end

-- 1: what the change touches is gone. 2: some may be left.
local function kill(change)
  local found = {}
  if change == '*' then
    walk_all('', found)
  elseif change.key then
    found[1] = P .. change.key
  else
    for _, image in ipairs(change) do walk('', image, 1, found) end
  end
  for from = 1, #found, 1000 do
    redis.call('UNLINK', unpack(found, from, math.min(from + 999, #found)))
  end
  return room > 0 and 1 or 2
end
`

/**
 * Rule 5. ARGV: new epoch, server and database, milliseconds of quiet, `force`. The clock, of a new epoch
 * where the old one is gone, was another server's or database's, or must not be trusted.
 */
const found = `${common}
if ARGV[4] == 'force' then
  redis.call('DEL', KEYS[1], P .. '@server', P .. '@marks', P .. '@c:', P .. '@k:')
end
local _, _, _, text = clock()
if text and redis.call('GET', P .. '@server') == ARGV[2] then return text end
redis.call('SET', P .. '@server', ARGV[2])
redis.call('DEL', P .. '@journal')
redis.call('SET', P .. '@quiet', ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[1], ARGV[1] .. ' 0 -')
return ARGV[1] .. ' 0 -'
`

/**
 * Rule 4. ARGV: epoch, position, token. Nothing: there is no clock. The clock and the entries after
 * that version; the clock alone, `reset` and whose epoch it is where they cannot be told.
 */
const since = `${common}
local epoch, position, token, text = clock()
if not text then return {} end
local reset = {text, 'reset', redis.call('GET', P .. '@server') or ''}
if epoch ~= ARGV[1] then return reset end
local from = tonumber(ARGV[2])
if from > position then return reset end
local answer = redis.call('ZRANGEBYSCORE', P .. '@journal', from, '+inf')
if from == 0 then
  table.insert(answer, 1, '0 - ')
elseif not answer[1] or string.match(answer[1], '^%S+ (%S+)') ~= ARGV[3] then
  return reset
end
if #answer - 1 ~= position - from then return reset end
answer[1] = text
return answer
`

/** Rule 6. ARGV: mark, change, lease (ms), token. False: there is no clock. */
const mark = `${common}${appending}
if not clock() then return false end
redis.call('HSET', P .. '@marks', ARGV[1], (now + ARGV[3]) .. ' ' .. ARGV[2])
append(ARGV[2], ARGV[4])
return true
`

/** Rule 6. ARGV: mark. Whether its lease still runs. */
const holds = `${common}
local text = redis.call('HGET', P .. '@marks', ARGV[1])
return text and tonumber(string.match(text, '^%d+')) > now
`

/** Rule 6. ARGV: mark or nothing, change, token. As `kill`; false: there is no clock. */
const finish = `${common}${appending}${walking}
if not clock() then return false end
redis.call('HDEL', P .. '@marks', ARGV[1])
append(ARGV[2], ARGV[3])
return kill(decode(ARGV[2]))
`

/** Rule 6. ARGV: change. Goes on with what `finish` has begun. */
const kill = `${common}${walking}
return kill(decode(ARGV[1]))
`

/**
 * Rules 2, 3, 5 and 6. ARGV: key, dimensions (JSON), epoch, position, TTL (ms), meta, body. Stores an
 * answer unless a write has touched it since, or may be touching it now. The version it stands by. An
 * answer without a body is only judged.
 */
const store = `${common.replace(' flags=allow-oom', '')}
local epoch, position, _, text = clock()
if epoch ~= ARGV[3] or redis.call('EXISTS', P .. '@quiet') == 1 then return false end
local dimensions = cjson.decode(ARGV[2])
local marks = redis.call('HGETALL', P .. '@marks')
for index = 1, #marks, 2 do
  local expiry, change = string.match(marks[index + 1], '^(%d+) (.*)$')
  if tonumber(expiry) <= now then
    redis.call('HDEL', P .. '@marks', marks[index])
  elseif touches(decode(change), ARGV[1], dimensions) then
    return false
  end
end
local from = tonumber(ARGV[4])
if from > position or not untouched_since(from, ARGV[1], dimensions) then return false end
if ARGV[7] == '' then return text end
local ttl = tonumber(ARGV[5])
local function file(key, member)
  if redis.call('TYPE', key).ok ~= 'zset' then redis.call('DEL', key) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  redis.call('ZADD', key, 'GT', now + ttl, member)
  redis.call('PEXPIRE', key, ttl, 'NX')
  redis.call('PEXPIRE', key, ttl, 'GT')
end
local path = ''
for _, dimension in ipairs(dimensions) do
  file(P .. '@c:' .. path, dimension)
  path = path == '' and dimension or path .. ',' .. dimension
end
file(P .. '@k:' .. path, ARGV[1])
redis.call('UNLINK', P .. ARGV[1])
redis.call('HSET', P .. ARGV[1], 'epoch', epoch, 'position', position, 'meta', ARGV[6], 'body', ARGV[7])
redis.call('PEXPIRE', P .. ARGV[1], ttl)
return text
`

/**
 * Rules 2 and 5. ARGV: key. The clock, meta, body and remaining TTL of an answer that no write has
 * touched; it then stands by the present version, so that unrelated writes never add up.
 */
const load = `${common}
local epoch, position, _, text = clock()
local held = redis.call('HMGET', P .. ARGV[1], 'epoch', 'position', 'meta', 'body')
if not text or not held[4] or held[1] ~= epoch then return false end
local valid, meta = pcall(cjson.decode, held[3])
local dimensions = valid and type(meta) == 'table' and meta.dimensions
local at = tonumber(held[2])
if type(dimensions) ~= 'table' or not at or at > position or not untouched_since(at, ARGV[1], dimensions) then
  redis.call('UNLINK', P .. ARGV[1])
  return false
end
redis.call('HSET', P .. ARGV[1], 'position', position)
return {text, held[3], held[4], redis.call('PTTL', P .. ARGV[1])}
`

/** ARGV: limit. Key, dimensions, bytes and TTL (ms) of each of the answers held. */
const list = `${common}
local answer, limit = {}, tonumber(ARGV[1]) * 4
local function visit(path)
  local keys = redis.call('ZRANGEBYSCORE', P .. '@k:' .. path, now, '+inf', 'LIMIT', 0, ARGV[1])
  for _, key in ipairs(keys) do
    local bytes = redis.call('HSTRLEN', P .. key, 'body')
    if bytes > 0 and #answer < limit then
      for _, value in ipairs({key, path, bytes, redis.call('PTTL', P .. key)}) do
        answer[#answer + 1] = value
      end
    end
  end
  for _, tag in ipairs(redis.call('ZRANGE', P .. '@c:' .. path, 0, -1)) do
    if #answer >= limit then return end
    visit(path == '' and tag or path .. ',' .. tag)
  end
end
visit('')
return answer
`

/**
 * The identity of the server that holds the slot: it changes with every restart and failover. A managed
 * Redis may keep it to itself; then a failover is seen only by the connections that it breaks.
 */
const server = `
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
return (string.match(info, 'run_id:(%w+)') or '') .. '-' .. (string.match(info, 'master_replid:(%w+)') or '')
`

export const scripts = { found, since, mark, holds, finish, kill, store, load, list, server }
