-- Sends ultrasound images of each stable study to an echocare-node, each image once, and takes nothing back to it.
--
-- Orthanc calls OnStableStudy when no image of a study came for `StableAge` seconds; results that the node sends back
-- make the study stable again. So an image that was sent carries a mark (user metadata `MARK`), and only images are
-- sent: what the node makes of them (SEG, SR, Secondary Capture) is of other SOP classes.

local NODE = 'echocare'  -- the node's name in Orthanc; one under `DicomModalities` with this name stands as it is
local AET, HOST, PORT = 'ECHOCARE', '127.0.0.1', 11112
local MARK = 5172  -- of user metadata, 1024 or more: change it where another script uses it

local IMAGES = {
  ['1.2.840.10008.5.1.4.1.1.6.1'] = true,  -- Ultrasound Image Storage
  ['1.2.840.10008.5.1.4.1.1.3.1'] = true,  -- Ultrasound Multi-frame Image Storage
  ['1.2.840.10008.5.1.4.1.1.6'] = true,    -- the same, retired
  ['1.2.840.10008.5.1.4.1.1.3'] = true,
}

-- Orthanc calls this at its start. It refuses a key such as `DicomModalities` that stands in two of its files, so a file
-- of ours beside its own could not name the node.
function Initialize()
  for _, name in pairs(ParseJson(RestApiGet('/modalities', true))) do
    if name == NODE then
      return
    end
  end
  RestApiPut('/modalities/' .. NODE, DumpJson({ AET = AET, Host = HOST, Port = PORT }), true)
end

local function is_marked(instance)
  for _, key in pairs(ParseJson(RestApiGet('/instances/' .. instance .. '/metadata', true))) do
    if key == tostring(MARK) then
      return true
    end
  end
  return false
end

function OnStableStudy(study, tags, metadata, origin)
  local fresh = {}
  for _, instance in pairs(ParseJson(RestApiGet('/studies/' .. study .. '/instances', true))) do
    local class = RestApiGet('/instances/' .. instance['ID'] .. '/metadata/SopClassUid', true)
    if IMAGES[class] and not is_marked(instance['ID']) then
      table.insert(fresh, instance['ID'])
    end
  end
  if #fresh == 0 then
    return
  end
  -- As a job of Orthanc's: it survives a restart and can be resubmitted where the node was down (`/jobs`).
  RestApiPost('/modalities/' .. NODE .. '/store', DumpJson({Resources = fresh, Synchronous = false}, true), true)
  for _, instance in pairs(fresh) do
    RestApiPut('/instances/' .. instance .. '/metadata/' .. MARK, 'sent', true)
  end
  PrintRecursive('echocare: ' .. #fresh .. ' images of a study are on their way')
end
