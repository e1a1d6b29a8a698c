#include "workloads/ycsb/length_chooser.h"

#include <utility>

namespace lsmlab::workloads {

LengthChooser::LengthChooser(LengthDistribution distribution, uint64_t min, uint64_t max,
                             std::optional<HistogramGenerator> histogram)
    : distribution_(distribution),
      min_(min),
      max_(max),
      zipfian_(distribution == LengthDistribution::kZipfian ? max - min + 1 : 1,
               kYcsbZipfianConstant),
      histogram_(std::move(histogram)) {}

LengthChooser LengthChooser::ForFields(const Settings& s) {
  return {s.field_length_distribution, s.min_field_length, s.field_length,
          s.field_length_histogram};
}

LengthChooser LengthChooser::ForScans(const Settings& s) {
  return {s.scan_length, s.min_scan_length, s.max_scan_length, std::nullopt};
}

}  // namespace lsmlab::workloads
