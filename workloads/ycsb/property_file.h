#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace lsmlab::workloads {

// One "name = value" as it was found.
struct Property {
  std::string name;
  std::string value;
  std::string where;  // "file:line" for messages; "-p" for one given beside the file.
};

// Java's .properties format as far as workload files use it: one property per line, name and value
// parted by '=', ':' or blanks; blanks before the name and around the separator do not count; lines
// starting with '#' or '!' are comments; a backslash at the end of a line continues it on the next,
// whose leading blanks do not count; \t \n \r \f stand for themselves and a backslash before any
// other character for that character. Line ends LF, CR or CR LF. Other than in Java, blanks at the
// end of a value do not count, and \u escapes are refused.
// A name may occur more than once; the caller takes the last.
Result<std::vector<Property>> ParseProperties(std::string_view text, const std::string& file);

// As above, from a file. IoError when it cannot be read, InvalidArgument when it exceeds 1 MiB.
Result<std::vector<Property>> ReadPropertyFile(const std::string& path);

}  // namespace lsmlab::workloads
