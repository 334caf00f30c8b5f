-- Asks windows of rates about one request, and spends from all of them where all let it in.
-- KEYS: the windows. ARGV: 1 to spend or 0 to look, the cost, and of each window the interval in
-- microseconds and the burst. Answers the time and each window's theoretical arrival time before the
-- request, from which the caller reads what was decided: the rule is `gcra` in tenantry-core.
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local spending, cost = ARGV[1] == '1', tonumber(ARGV[2])
local tats = redis.call('MGET', unpack(KEYS))
local reply, after, admitted = { string.format('%.0f', now) }, {}, true
for i = 1, #KEYS do
    local tat = tonumber(tats[i] or 0)
    local interval, burst = tonumber(ARGV[1 + 2 * i]), tonumber(ARGV[2 + 2 * i])
    local tolerance = interval * burst
    local ahead = math.min(math.max(tat - now, 0), tolerance)
    after[i] = ahead + interval * cost
    admitted = admitted and after[i] <= tolerance
    reply[i + 1] = string.format('%.0f', tat)
end
if spending and admitted then
    for i = 1, #KEYS do
        -- What is over says what none says.
        local ttl = string.format('%.0f', math.ceil(after[i] / 1000) + 1)
        redis.call('SET', KEYS[i], string.format('%.0f', now + after[i]), 'PX', ttl)
    end
end
return reply
