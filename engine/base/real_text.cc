#include "engine/base/real_text.h"

#include <charconv>

namespace lsmlab {

std::string RealText(double value) {
  char text[32];  // at most 24: sign, 17 digits, point, "e-308"
  return std::string(text, std::to_chars(text, text + sizeof text, value).ptr);
}

}  // namespace lsmlab
