#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"
#include "engine/format/version_edit.h"

// What the catalog `footers` writes into tables (TableProperties::catalog_mark). The grammar stands
// in footer_mark.cc, what the marks of a shard mean together in footers.cc.
namespace lsmlab {

// What a table that is an output says of itself beyond its properties.
struct OutputMark {
  uint64_t file = 0;
  uint32_t run = 0;
  std::vector<ValueFileUse> values;  // by rising file number
};

// A table in the list of a commit.
struct ListedTable {
  enum class Form : uint8_t {
    kOutput = 0,   // stands where its own mark says
    kMoved = 1,    // has another place by now
    kForeign = 2,  // written under another catalog: has no mark, all stands here
  };
  uint64_t file = 0;
  Form form = Form::kOutput;
  uint32_t level = 0, run = 0;       // but for kOutput
  TableId id;                        // of kForeign
  std::vector<ValueFileUse> values;  // of kForeign
};

// The state of the shard after a commit, as what has changed since an earlier one.
struct CommitMark {
  uint64_t number = 0;
  uint64_t base = 0;                // number of the earlier commit; 0: the empty state
  VersionEdit numbers;              // log and file numbers, sequence, policy state; no files
  std::vector<ListedTable> tables;  // new or moved since the base, by rising file number
  std::vector<uint64_t> removed;    // of the base's tables, rising
};

struct FooterMark {
  std::optional<OutputMark> output;
  std::optional<CommitMark> commit;
};

// `seed` stands for store and shard: a mark of another one fails like a damaged one.
std::string EncodeFooterMark(const FooterMark& mark, uint64_t seed);
// Any bytes. The message says what was expected and found, without the file.
Result<FooterMark> DecodeFooterMark(Slice bytes, uint64_t seed);

}  // namespace lsmlab
