#include "workloads/distributions/histogram.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string_view>

#include "engine/base/shown.h"

namespace lsmlab::workloads {
namespace {

constexpr uint64_t kMaxCount = uint64_t{1} << 40;  // Keeps every sum far from overflow.
constexpr uint64_t kMaxBuckets = 1 << 20;
constexpr uint64_t kMaxBlockBytes = 64 << 20;
constexpr size_t kMaxFileBytes = 16 << 20;  // room for so many buckets

bool ParseCount(std::string_view text, uint64_t max, uint64_t* value) {
  const char* end = text.data() + text.size();
  const auto [p, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && p == end && *value <= max;
}

Status Bad(const std::string& name, uint64_t line, std::string_view found, std::string allowed) {
  return Status::InvalidArgument(name + ":" + std::to_string(line) + ": found \"" + Shown(found) +
                                 "\"; allowed: " + allowed);
}

}  // namespace

Result<HistogramGenerator> HistogramGenerator::Open(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return Status::IoError("cannot open " + path);
  std::string text(kMaxFileBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (in.bad() || (in.gcount() == 0 && !in.eof())) return Status::IoError("cannot read " + path);
  text.resize(static_cast<size_t>(in.gcount()));
  if (text.size() > kMaxFileBytes) {
    return Status::InvalidArgument(path + ": more than 16 MiB; allowed: a histogram up to that");
  }
  return Parse(text, path);
}

Result<HistogramGenerator> HistogramGenerator::Parse(const std::string& text,
                                                     const std::string& name) {
  auto table = std::make_shared<Table>();
  std::istringstream lines(text);
  std::string line;
  uint64_t number = 0;
  while (std::getline(lines, line)) {
    ++number;
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty()) continue;
    const std::string_view view = line;
    const size_t tab = std::min(view.find('\t'), view.size());
    const std::string_view left = view.substr(0, tab);
    const std::string_view right = view.substr(std::min(tab + 1, view.size()));
    if (table->block_bytes == 0) {
      if (left != "BlockSize" || !ParseCount(right, kMaxBlockBytes, &table->block_bytes) ||
          table->block_bytes == 0) {
        return Bad(name, number, view, "BlockSize, a tab, and 1 to 67108864 bytes");
      }
      continue;
    }
    auto& totals = table->running_totals;
    uint64_t bucket = 0, count = 0;
    if (!ParseCount(left, kMaxBuckets, &bucket) || bucket != totals.size() ||
        !ParseCount(right, kMaxCount, &count)) {
      return Bad(name, number, view,
                 "bucket " + std::to_string(totals.size()) + ", a tab, and a count up to 2^40");
    }
    totals.push_back((totals.empty() ? 0 : totals.back()) + count);
  }
  if (table->running_totals.empty() || table->running_totals.back() == 0) {
    return Bad(name, number, "", "a BlockSize line and at least one bucket with a count");
  }
  table->max = table->block_bytes * (table->running_totals.size() - 1);
  return HistogramGenerator(std::move(table));
}

uint64_t HistogramGenerator::Next(Random& random) const noexcept {
  const auto& totals = table_->running_totals;
  const uint64_t draw = random.Below(totals.back());
  const auto last = totals.end() - 1;
  const auto bucket = std::lower_bound(totals.begin(), last, draw);
  const auto index = static_cast<uint64_t>(bucket - totals.begin());
  return (bucket == last ? index : index + 1) * table_->block_bytes;
}

}  // namespace lsmlab::workloads
