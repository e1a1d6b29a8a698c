#include "engine/base/histogram.h"

#include <cmath>

#include "engine/base/coding.h"

namespace lsmlab {
namespace {

constexpr Slice kMagic = "H1";

Status Damaged(const char* what) {
  return Status::Corruption(std::string("serialized histogram: ") + what);
}

}  // namespace

void Histogram::Merge(const Histogram& other) noexcept {
  for (uint32_t i = 0; i < kBuckets; ++i) counts_[i] += other.counts_[i];
  count_ += other.count_;
  sum_ += other.sum_;
  min_ = std::min(min_, other.min_);
  max_ = std::max(max_, other.max_);
}

void Histogram::Clear() noexcept {
  std::fill(counts_.begin(), counts_.end(), 0);
  count_ = sum_ = max_ = 0;
  min_ = UINT64_MAX;
}

uint64_t Histogram::Percentile(double percent) const noexcept {
  LSMLAB_ASSERT(percent >= 0 && percent <= 100);
  if (count_ == 0) return 0;
  const double wanted = std::ceil(percent / 100.0 * static_cast<double>(count_));
  const uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
  uint64_t seen = 0;
  for (uint32_t i = 0; i < kBuckets; ++i) {
    seen += counts_[i];
    if (seen >= rank) return std::min(HighestOf(i), max_);
  }
  return max_;
}

std::string Histogram::Serialize() const {
  std::string out(kMagic);
  PutVarint64(out, count_);
  if (count_ == 0) return out;
  PutVarint64(out, sum_);
  PutVarint64(out, min_);
  PutVarint64(out, max_);
  uint32_t next = 0;
  for (uint32_t i = 0; i < kBuckets; ++i) {
    if (counts_[i] == 0) continue;
    PutVarint64(out, i - next);
    PutVarint64(out, counts_[i]);
    next = i + 1;
  }
  return out;
}

Result<Histogram> Histogram::Deserialize(Slice bytes) {
  static_assert(BucketOf(kMaxNanos) < kBuckets);
  Histogram h;
  Decoder in(bytes);
  Slice magic;
  if (!in.GetBytes(kMagic.size(), &magic) || magic != kMagic) return Damaged("bad first bytes");
  if (!in.GetVarint(&h.count_)) return Damaged("no count");
  if (h.count_ == 0) {
    if (in.remaining() != 0) return Damaged("bytes after an empty histogram");
    return h;
  }
  if (!in.GetVarint(&h.sum_) || !in.GetVarint(&h.min_) || !in.GetVarint(&h.max_)) {
    return Damaged("truncated head");
  }
  if (h.min_ < kMinNanos || h.min_ > h.max_ || h.max_ > kMaxNanos) {
    return Damaged("minimum and maximum out of range");
  }
  uint64_t seen = 0, next = 0, first = kBuckets;
  while (seen < h.count_) {
    uint64_t gap, count;
    if (!in.GetVarint(&gap) || !in.GetVarint(&count)) return Damaged("truncated bucket");
    if (gap >= kBuckets - next) return Damaged("bucket out of range");
    if (count == 0 || count > h.count_ - seen) return Damaged("bucket count out of range");
    const uint64_t bucket = next + gap;
    h.counts_[bucket] = count;
    first = std::min(first, bucket);
    next = bucket + 1;
    seen += count;
  }
  if (in.remaining() != 0) return Damaged("bytes after the last bucket");
  if (first != BucketOf(h.min_) || next - 1 != BucketOf(h.max_)) {
    return Damaged("minimum and maximum do not match the buckets");
  }
  return h;
}

}  // namespace lsmlab
