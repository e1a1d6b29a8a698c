#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/base/slice.h"

// Names of the numbered files in a shard's directory: NNNNNN.sst (where the catalog lives in tables
// NNNNNN.tmp until all of it is durable), NNNNNN.val, NNNNNN.log, NNNNNN.ring, MANIFEST-NNNNNN.
// Numbers have at least six digits and no needless leading zeros, so each number has one name.
namespace lsmlab {

inline constexpr std::string_view kUnfinishedTable = ".tmp";
// Of a log that takes the name of the one it was copied from.
inline constexpr std::string_view kLogCopy = ".copy";

std::string NumberedFileName(std::string_view prefix, uint64_t number, std::string_view suffix);

// The number, when `name` is exactly what NumberedFileName makes of it.
std::optional<uint64_t> ParseNumberedFileName(std::string_view prefix, std::string_view suffix,
                                              std::string_view name);

}  // namespace lsmlab
