local hs = {status = "Progressing", message = "not looked at yet"}
if obj.metadata.annotations ~= nil and obj.metadata.annotations["vlm-operator.dev/paused"] == "true" then
  return {status = "Suspended", message = "paused by the annotation vlm-operator.dev/paused"}
end
if obj.status == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return hs
end
for _, condition in ipairs(obj.status.conditions or {}) do
  if condition.type == "Stalled" and condition.status == "True" then
    return {status = "Degraded", message = condition.reason .. ": " .. condition.message}
  end
  if condition.type == "Ready" then
    hs.message = condition.reason .. ": " .. condition.message
    if condition.status == "True" then
      hs.status = "Healthy"
    end
  end
end
return hs
