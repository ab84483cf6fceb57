// Each script runs atomically on the server that keeps the pipeline's hash slot. The head is a
// hash:
//   epoch   the writer's
//   system  system identifier of the source
//   kept    the generations, newest first, a line each: "<id> <timeline> <LSN, 16 hex digits>"
// LSNs are compared as text, because numbers in Lua are doubles.

/** KEYS head, the first manifest; ARGV epoch, system, the first line, the manifest's bytes. */
export const CLAIM = `
local head = redis.call('HMGET', KEYS[1], 'epoch', 'kept')
if head[1] and tonumber(head[1]) >= tonumber(ARGV[1]) then return 'FENCED' end
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
if head[2] then return head[2] end
redis.call('SET', KEYS[2], ARGV[4])
redis.call('HSET', KEYS[1], 'system', ARGV[2], 'kept', ARGV[3])
return ARGV[3]
`;

/** Takes every generation off the list. KEYS head; ARGV epoch. */
export const BEGIN_ANEW = `
local epoch = redis.call('HGET', KEYS[1], 'epoch')
if epoch and tonumber(epoch) >= tonumber(ARGV[1]) then return 'FENCED' end
redis.call('HDEL', KEYS[1], 'system', 'kept')
redis.call('HSET', KEYS[1], 'epoch', ARGV[1])
return 'OK'
`;

/**
 * The switch. KEYS head, the new manifest; ARGV epoch, system, LSN, the new line, its id, the id
 * that it follows, none for the first. LOST: this is not the Redis as the writer left it. Running
 * it twice is harmless.
 */
export const SWITCH = `
local head = redis.call('HMGET', KEYS[1], 'epoch', 'system', 'kept')
if not head[1] or tonumber(head[1]) < tonumber(ARGV[1]) then return 'LOST' end
if tonumber(head[1]) > tonumber(ARGV[1]) then return 'FENCED' end
if not head[3] then
  if ARGV[6] ~= '' or redis.call('EXISTS', KEYS[2]) == 0 then return 'LOST' end
  redis.call('HSET', KEYS[1], 'system', ARGV[2], 'kept', ARGV[4])
  return 'OK'
end
if head[2] ~= ARGV[2] then return 'FENCED' end
local id, _, lsn = string.match(head[3], '^(%S+) (%S+) (%S+)')
if id == ARGV[5] then return 'OK' end
if id ~= ARGV[6] or redis.call('EXISTS', KEYS[2]) == 0 then return 'LOST' end
if lsn > ARGV[3] then return 'FENCED' end
redis.call('HSET', KEYS[1], 'kept', ARGV[4] .. '\\n' .. head[3])
return 'OK'
`;

/** Takes generations off the list. KEYS head; ARGV epoch, then their ids. */
export const DROP = `
local head = redis.call('HMGET', KEYS[1], 'epoch', 'kept')
if not head[1] or tonumber(head[1]) < tonumber(ARGV[1]) or not head[2] then return 'LOST' end
if tonumber(head[1]) > tonumber(ARGV[1]) then return 'FENCED' end
local gone = {}
for i = 2, #ARGV do gone[ARGV[i]] = true end
local kept = {}
for line in string.gmatch(head[2], '[^\\n]+') do
  if not gone[string.match(line, '^(%S+)')] then kept[#kept + 1] = line end
end
redis.call('HSET', KEYS[1], 'kept', table.concat(kept, '\\n'))
return 'OK'
`;
