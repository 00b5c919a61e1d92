-- For wrk: POST the bodies 0, 1, 2 … of a folder in turn, then print what was measured
-- as one line of JSON.
--
--   wrk … -s load.lua <url> -- <folder> <number of bodies> <content type> [<header>
--   <value>]…

local requests, turn = {}, 0

function init(args)
  local folder, count, kind = args[1], tonumber(args[2]), args[3]
  wrk.method = "POST"
  wrk.headers["Content-Type"] = kind
  for place = 4, #args, 2 do
    wrk.headers[args[place]] = args[place + 1]
  end
  for number = 0, count - 1 do
    local file = assert(io.open(folder .. "/" .. number, "rb"))
    requests[number] = wrk.format(nil, nil, nil, file:read("*a"))
    file:close()
  end
end

function request()
  turn = (turn + 1) % (#requests + 1)
  return requests[turn]
end

function done(summary, latency, _)
  local errors = summary.errors
  local text = '{"requests": %d, "seconds": %.6f, ' ..
    '"p50_ms": %.3f, "p99_ms": %.3f, ' ..
    '"errors": {"connect": %d, "read": %d, "write": %d, "timeout": %d, "status": %d}}\n'
  io.write(text:format(
    summary.requests, summary.duration / 1e6,
    latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3,
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
