#pragma once

#include <cstdint>
#include <optional>

#include "workloads/distributions/histogram.h"
#include "workloads/distributions/zipfian.h"
#include "workloads/ycsb/settings.h"

namespace lsmlab::workloads {

// Draws lengths: of fields (bytes) or of scans (records). The zipfian one favours the short end and
// always has YCSB's exponent. One thread at a time.
class LengthChooser {
 public:
  static LengthChooser ForFields(const Settings& settings);
  static LengthChooser ForScans(const Settings& settings);

  uint64_t Next(Random& random) noexcept {
    switch (distribution_) {
      case LengthDistribution::kConstant:
        return max_;
      case LengthDistribution::kUniform:
        return min_ + random.Below(max_ - min_ + 1);
      case LengthDistribution::kZipfian:
        return min_ + zipfian_.Next(random);
      case LengthDistribution::kHistogram:
        return histogram_->Next(random);
    }
    return max_;
  }

 private:
  LengthChooser(LengthDistribution distribution, uint64_t min, uint64_t max,
                std::optional<HistogramGenerator> histogram);

  LengthDistribution distribution_;
  uint64_t min_;
  uint64_t max_;
  ZipfianGenerator zipfian_;
  std::optional<HistogramGenerator> histogram_;
};

}  // namespace lsmlab::workloads
