#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/random.h"
#include "engine/base/status.h"

namespace lsmlab::workloads {

// Lengths with the frequencies of a histogram file, as YCSB's: the first line is
// "BlockSize<TAB>bytes", each further one "bucket<TAB>count" with buckets 0, 1, 2, ... in order.
// A draw of bucket i gives (i + 1) * bytes, but i * bytes for the last one; the first count is
// effectively one larger (a draw equal to a running total belongs to the lower bucket). Copies
// share the table, which is never changed.
class HistogramGenerator {
 public:
  // InvalidArgument names file, line, what was found and what is allowed; IoError when unreadable.
  static Result<HistogramGenerator> Open(const std::string& path);
  // As Open, from the text itself; `name` is used in messages.
  static Result<HistogramGenerator> Parse(const std::string& text, const std::string& name);

  uint64_t Next(Random& random) const noexcept;
  uint64_t max() const noexcept { return table_->max; }

  bool operator==(const HistogramGenerator& other) const { return *table_ == *other.table_; }

 private:
  struct Table {
    uint64_t block_bytes = 0;
    uint64_t max = 0;
    std::vector<uint64_t> running_totals;  // Of the counts; the last is the sum.
    bool operator==(const Table&) const = default;
  };
  explicit HistogramGenerator(std::shared_ptr<const Table> table) : table_(std::move(table)) {}

  std::shared_ptr<const Table> table_;
};

}  // namespace lsmlab::workloads
