#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/slice.h"
#include "engine/base/status.h"

namespace lsmlab {

// A histogram of latencies in nanoseconds with buckets whose width grows with the value, as in
// HdrHistogram (Tene): 128 buckets for each doubling, so that a reported value is at most 1/128
// (0.8 %) above a recorded one; values below 256 ns are exact. Range 1 ns to 1 h; what is outside
// is recorded as the nearest end. 4608 counters, 36 KiB, allocated once.
//
// Thread safety: none; give each thread its own and Merge() them.
class Histogram {
 public:
  static constexpr uint64_t kMinNanos = 1;
  static constexpr uint64_t kMaxNanos = 3'600'000'000'000;

  Histogram() : counts_(kBuckets, 0) {}

  // A few ns; never allocates.
  void Record(uint64_t nanos) noexcept { Record(nanos, 1); }
  // The same, `times` over.
  void Record(uint64_t nanos, uint64_t times) noexcept {
    nanos = std::clamp(nanos, kMinNanos, kMaxNanos);
    counts_[BucketOf(nanos)] += times;
    count_ += times;
    sum_ += nanos * times;
    min_ = std::min(min_, nanos);
    max_ = std::max(max_, nanos);
  }
  void Merge(const Histogram& other) noexcept;
  void Clear() noexcept;

  uint64_t count() const noexcept { return count_; }
  // Exact; 0 when nothing was recorded.
  uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
  uint64_t max() const noexcept { return max_; }
  double mean() const noexcept {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
  }
  // The value that at least `percent` percent of the recorded ones do not exceed, rounded up to the
  // end of its bucket, never above max(). 0 when nothing was recorded. REQUIRES: 0..100.
  uint64_t Percentile(double percent) const noexcept;

  // Calls visit(lowest, highest, count) for every bucket that is not empty, rising.
  template <typename Visitor>
  void ForEachBucket(Visitor visit) const {
    for (uint32_t i = 0; i < kBuckets; ++i) {
      if (counts_[i] != 0) visit(LowestOf(i), HighestOf(i), counts_[i]);
    }
  }

  // A short byte string (some hundred bytes for a usual run). Grammar, all numbers varints:
  //   "H1" count [ sum min max { gap bucket_count }* ]
  // Only non-empty buckets are listed; gap is the distance to the bucket before, less one. The
  // list ends when the bucket counts add up to count.
  std::string Serialize() const;
  // Corruption when the bytes are not what Serialize() writes for some histogram.
  static Result<Histogram> Deserialize(Slice bytes);

  bool operator==(const Histogram&) const = default;

 private:
  static constexpr uint32_t kSubBits = 7;

  static constexpr uint32_t BucketOf(uint64_t nanos) noexcept {
    const int shift = std::max(static_cast<int>(std::bit_width(nanos)) - 8, 0);
    return (static_cast<uint32_t>(shift) << kSubBits) + static_cast<uint32_t>(nanos >> shift);
  }
  static constexpr uint64_t LowestOf(uint32_t bucket) noexcept {
    const uint32_t shift = bucket < 256 ? 0 : (bucket >> kSubBits) - 1;
    return static_cast<uint64_t>(bucket - (shift << kSubBits)) << shift;
  }
  static constexpr uint64_t HighestOf(uint32_t bucket) noexcept { return LowestOf(bucket + 1) - 1; }

  static constexpr uint32_t kBuckets = 4608;

  std::vector<uint64_t> counts_;
  uint64_t count_ = 0;
  uint64_t sum_ = 0;  // 584 years of latency fit.
  uint64_t min_ = UINT64_MAX;
  uint64_t max_ = 0;
};

}  // namespace lsmlab
