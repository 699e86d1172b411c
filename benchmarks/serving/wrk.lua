-- What wrk sends: a line of the file BODIES after the other; at the end what came of it, as JSON on a line of its own.
local bodies, turn = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end

function request()
  turn = turn % #bodies + 1
  return wrk.format("POST", nil, { ["content-type"] = "application/json" }, bodies[turn])
end

function done(summary, latency)
  local function at(share) return string.format('"p%s": %.3f', share:gsub("%.", ""), latency:percentile(tonumber(share)) / 1000) end
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "seconds": %.6f, "mean": %.3f, "max": %.3f, %s, %s, %s, %s, "status": %d, "lost": %d}\n',
    summary.requests, summary.duration / 1e6, latency.mean / 1000, latency.max / 1000,
    at("50"), at("95"), at("99"), at("99.9"), errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
