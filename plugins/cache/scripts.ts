import { journalLength } from './replica.ts'

/*
 * The journal on Redis. One hash tag puts every key in one slot, so that a script may touch them all,
 * on a cluster too. KEYS[1] is the clock; the prefix before its `@clock` is that of all other keys.
 *
 *   @clock    "EPOCH POSITION TOKEN": the end of the journal            no TTL
 *   @server   the epoch's owner: Redis server (run id) and data set      no TTL
 *   @journal  sorted set, score POSITION, member "POSITION TOKEN CHANGE" no TTL, bounded
 *   @marks    hash, mark id -> "EXPIRY CHANGE"                          no TTL, bounded by leases
 *   @quiet    store barrier: there while nothing may be stored          TTL
 *   @c:PATH   index: sorted set of the tags below PATH, score expiry    TTL
 *   @k:PATH   index: sorted set of the keys at PATH, score expiry       TTL
 *   KEY       hash of an answer: epoch, position, meta, body            TTL
 *
 * What has no TTL is never evicted under a `volatile-*` policy, and a full Redis still takes a write's
 * mark (`allow-oom`, Redis 7). Answers and index (@c, @k) may be evicted: the index only finds keys
 * to delete, and an answer is judged by the journal whenever it is loaded.
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

local function touches(change, key, tags)
  if change == '*' then return true end
  if change.key then return change.key == key end
  for _, row in ipairs(change) do
    local has, all = {}, true
    for _, tag in ipairs(row) do has[tag] = true end
    for _, tag in ipairs(tags) do
      if not has[tag] then all = false end
    end
    if all then return true end
  end
  return false
end

-- Most changes do not touch an answer, which a text search shows without parsing them.
local function mentions(text, tags)
  if string.sub(text, 1, 1) ~= '[' then return true end
  for _, tag in ipairs(tags) do
    if not string.find(text, '"' .. tag .. '"', 1, true) then return false end
  end
  return true
end

local function decode(text)
  if text == '*' then return text end
  return cjson.decode(text)
end

local function untouched_since(position, key, tags)
  local _, current = clock()
  local entries = redis.call('ZRANGEBYSCORE', P .. '@journal', '(' .. position, '+inf')
  if #entries ~= current - position then return false end
  for _, entry in ipairs(entries) do
    local change = string.match(entry, '^%S+ %S+ (.*)$')
    if mentions(change, tags) and touches(decode(change), key, tags) then
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

const deleting = `
local function below(path, tag)
  if path == '' then return tag end
  return path .. ',' .. tag
end

-- Index entries per call: a longer script would block the server for everybody.
local budget = 5000

local function collect_path(path, found)
  if budget == 0 then return end
  local keys = redis.call('ZRANGE', P .. '@k:' .. path, 0, budget - 1)
  for _, key in ipairs(keys) do found[#found + 1] = P .. key end
  redis.call('ZREMRANGEBYRANK', P .. '@k:' .. path, 0, budget - 1)
  budget = budget - #keys
end

local function collect(path, tags, from, found)
  collect_path(path, found)
  for index = from, #tags do
    if redis.call('ZSCORE', P .. '@c:' .. path, tags[index]) then
      collect(below(path, tags[index]), tags, index + 1, found)
    end
  end
end

-- Removes the paths that it has cleared, so that the next call begins after them.
local function collect_all(path, found)
  collect_path(path, found)
  if budget == 0 then return end
  for _, tag in ipairs(redis.call('ZRANGE', P .. '@c:' .. path, 0, budget - 1)) do
    collect_all(below(path, tag), found)
    if budget == 0 then return end
    redis.call('ZREM', P .. '@c:' .. path, tag)
    budget = budget - 1
    if budget == 0 then return end
  end
end

-- 1: what the change touches is gone. 2: some may be left.
local function delete_touched(change)
  local found = {}
  if change == '*' then
    collect_all('', found)
  elseif change.key then
    found[1] = P .. change.key
  else
    for _, row in ipairs(change) do collect('', row, 1, found) end
  end
  for from = 1, #found, 1000 do
    redis.call('UNLINK', unpack(found, from, math.min(from + 999, #found)))
  end
  return budget > 0 and 1 or 2
end
`

/** Fails where Redis takes no writes, or where the marks or the journal cannot be written to. */
const writable = `
redis.call('HDEL', P .. '@marks', '')
redis.call('ZREMRANGEBYRANK', P .. '@journal', 0, -${journalLength + 1})
`

/**
 * Rule 5. ARGV: new epoch, owner (server and data set), length of the store barrier (ms), `reset` or
 * nothing. Returns the clock. Starts a new epoch if there is none, if it belongs to another owner, or
 * if ARGV[4] is `reset`. Fails where no write could be marked.
 */
const attach = `${common}
if ARGV[4] == 'reset' then
  redis.call('DEL', KEYS[1], P .. '@server', P .. '@marks', P .. '@c:', P .. '@k:')
end
local _, _, _, text = clock()
if text and redis.call('GET', P .. '@server') == ARGV[2] then
  ${writable}
  return text
end
redis.call('SET', P .. '@server', ARGV[2])
redis.call('DEL', P .. '@journal')
redis.call('SET', P .. '@quiet', ARGV[1], 'PX', ARGV[3])
redis.call('SET', KEYS[1], ARGV[1] .. ' 0 -')
return ARGV[1] .. ' 0 -'
`

/**
 * Rule 4. ARGV: epoch, position, token. Returns the clock and the entries after that version. Returns
 * the clock, `reset` and the epoch's owner if they are not to be had, and nothing if there is no clock.
 */
const entriesSince = `${common}
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

/** Rule 6. ARGV: mark, change, lease (ms), token. Appends the change and takes the lease. False: no clock. */
const mark = `${common}${appending}
if not clock() then return false end
redis.call('HSET', P .. '@marks', ARGV[1], (now + ARGV[3]) .. ' ' .. ARGV[2])
append(ARGV[2], ARGV[4])
return true
`

/** Rule 6. ARGV: mark. Whether its lease still runs. */
const isMarked = `${common}
local text = redis.call('HGET', P .. '@marks', ARGV[1])
return text and tonumber(string.match(text, '^%d+')) > now
`

/**
 * Rule 6. ARGV: mark or nothing, change, token. Appends the change, removes the mark, deletes the touched
 * answers. Returns as `deleteTouched`: 1 when nothing touched is left, 2 when some may be; false: no clock.
 */
const finish = `${common}${appending}${deleting}
if not clock() then return false end
redis.call('HDEL', P .. '@marks', ARGV[1])
append(ARGV[2], ARGV[3])
return delete_touched(decode(ARGV[2]))
`

/**
 * Rule 6. ARGV: change. Goes on deleting where `finish` stopped. Returns 1 when nothing touched is left, 2
 * when it stopped at its budget: call it again.
 */
const deleteTouched = `${common}${deleting}
return delete_touched(decode(ARGV[1]))
`

/**
 * Rules 2, 3, 5 and 6. ARGV: key, tags (JSON), epoch, position, token, TTL (ms), meta, body. Stores an
 * answer unless a write has touched it since that version, or may be touching it now. Returns the clock at
 * which it is valid; false: not stored. With an empty body it only judges.
 */
const store = `${common.replace(' flags=allow-oom', '')}
local epoch, position, _, text = clock()
if epoch ~= ARGV[3] or redis.call('EXISTS', P .. '@quiet') == 1 then return false end
local tags = cjson.decode(ARGV[2])
local marks = redis.call('HGETALL', P .. '@marks')
for index = 1, #marks, 2 do
  local expiry, change = string.match(marks[index + 1], '^(%d+) (.*)$')
  if tonumber(expiry) <= now then
    redis.call('HDEL', P .. '@marks', marks[index])
  elseif touches(decode(change), ARGV[1], tags) then
    return false
  end
end
local from = tonumber(ARGV[4])
if from > position or not untouched_since(from, ARGV[1], tags) then return false end
-- Another entry at that position: this server's history is not the one in which the version was noted.
local at = redis.call('ZRANGEBYSCORE', P .. '@journal', from, from)[1]
if from > 0 and string.match(at or '', '^%S+ (%S+)') ~= ARGV[5] then return false end
if ARGV[8] == '' then return text end
local ttl = tonumber(ARGV[6])
local function add_to_index(key, member)
  if redis.call('TYPE', key).ok ~= 'zset' then redis.call('DEL', key) end
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  redis.call('ZADD', key, 'GT', now + ttl, member)
  redis.call('PEXPIRE', key, ttl, 'NX')
  redis.call('PEXPIRE', key, ttl, 'GT')
end
local path = ''
for _, tag in ipairs(tags) do
  add_to_index(P .. '@c:' .. path, tag)
  path = path == '' and tag or path .. ',' .. tag
end
add_to_index(P .. '@k:' .. path, ARGV[1])
redis.call('UNLINK', P .. ARGV[1])
redis.call('HSET', P .. ARGV[1], 'epoch', epoch, 'position', position, 'meta', ARGV[7], 'body', ARGV[8])
redis.call('PEXPIRE', P .. ARGV[1], ttl)
return text
`

/**
 * Rules 2 and 5. ARGV: key. Returns the clock, meta, body and remaining TTL (ms) of an answer that no write
 * has touched, else false. Moves the answer to the present version, so that unrelated writes never add
 * up to more than the journal holds.
 */
const load = `${common}
local epoch, position, _, text = clock()
local held = redis.call('HMGET', P .. ARGV[1], 'epoch', 'position', 'meta', 'body')
if not text or not held[4] or held[1] ~= epoch then return false end
local valid, meta = pcall(cjson.decode, held[3])
local tags = valid and type(meta) == 'table' and meta.tags
local at = tonumber(held[2])
if type(tags) ~= 'table' or not at or at > position or not untouched_since(at, ARGV[1], tags) then
  redis.call('UNLINK', P .. ARGV[1])
  return false
end
redis.call('HSET', P .. ARGV[1], 'position', position)
return {text, held[3], held[4], redis.call('PTTL', P .. ARGV[1])}
`

/** ARGV: limit. Returns key, tags, bytes and TTL (ms) of each answer held, as one flat list. */
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
 * Returns the identity of the server that holds the slot: it changes with every restart and failover. A
 * managed Redis may hide it; then a failover shows only by the connections that it breaks.
 */
const identity = `
local info = redis.call('INFO', 'server') .. redis.call('INFO', 'replication')
return (string.match(info, 'run_id:(%w+)') or '') .. '-' .. (string.match(info, 'master_replid:(%w+)') or '')
`
const server = identity

/**
 * Rule 8. The same identity, from a server in which a write could be marked. An instance may not use the
 * cache of another one, though it could read the clock.
 */
const probe = `${common}${writable}${identity}`

export const scripts = {
  attach,
  entriesSince,
  mark,
  isMarked,
  finish,
  deleteTouched,
  store,
  load,
  list,
  server,
  probe,
}
