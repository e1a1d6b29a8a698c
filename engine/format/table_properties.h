#pragma once

#include <string>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/parts/table.h"

namespace lsmlab {

// Appends the encoded form; the grammar stands in table_properties.cc.
void EncodeTableProperties(const TableProperties& properties, std::string& out);

// Hostile input: any bytes. The message says what was expected and found, without the file.
Result<TableProperties> DecodeTableProperties(Slice bytes);

}  // namespace lsmlab
