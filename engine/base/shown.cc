#include "engine/base/shown.h"

namespace lsmlab {

std::string Shown(std::string_view text) {
  constexpr size_t kMost = 100;
  std::string shown(text.substr(0, kMost));
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  if (text.size() > kMost) shown += "...";
  return shown;
}

}  // namespace lsmlab
