#include "variants/codec/codecs.h"

namespace lsmlab {

const CodecVariant kNoCodec = {
    "none", 0, "blocks are stored as they are", {}, [](const SettingBag&) {
      return std::unique_ptr<Codec>();
    }};

}  // namespace lsmlab
