#pragma once

#include <string>

#include "engine/base/slice.h"
#include "engine/base/status.h"

namespace lsmlab {

// Base64 of RFC 4648 section 4: standard alphabet, padded, no line breaks.
std::string Base64Encode(Slice bytes);

// Corruption on a wrong length, a character outside the alphabet, misplaced padding, or bits set
// beyond the last byte, so that every byte string has exactly one text.
Result<std::string> Base64Decode(Slice text);

}  // namespace lsmlab
