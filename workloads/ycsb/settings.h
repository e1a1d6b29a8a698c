#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/status.h"
#include "workloads/distributions/histogram.h"
#include "workloads/workload.h"
#include "workloads/ycsb/property_reader.h"

namespace lsmlab::workloads {

enum class RequestDistribution { kUniform, kZipfian, kLatest, kHotspot, kExponential, kSequential };
enum class LengthDistribution { kConstant, kUniform, kZipfian, kHistogram };
enum class KeyFormatKind { kYcsb, kBinary16 };
enum class KeyHashKind { kYcsb, kYcsbCpp, kGoYcsb };

// A core workload's properties as typed values; README.md beside this file says what each means.
// Defaults and ranges are in ReadSettings and nowhere else.
struct Settings {
  uint64_t record_count = 0;
  uint64_t operation_count = 0;  // 0 = no limit.
  uint64_t insert_start = 0;
  uint64_t insert_count = 0;
  double max_execution_seconds = 0;
  uint32_t thread_count = 0;
  double target_ops_per_s = 0;

  std::array<double, kOpKindCount> weights{};  // By OpKind, as given, not normalised.
  double read_missing = 0;

  RequestDistribution request = RequestDistribution::kUniform;
  double zipfian_constant = 0;
  double hotspot_data_fraction = 0;
  double hotspot_op_fraction = 0;
  double exponential_percentile = 0;
  double exponential_fraction = 0;

  uint64_t min_scan_length = 0;
  uint64_t max_scan_length = 0;
  LengthDistribution scan_length = LengthDistribution::kUniform;
  uint64_t scan_prefix_bytes = 0;  // 0 = scans have no end but their length.

  uint32_t field_count = 0;
  uint64_t field_length = 0;
  uint64_t min_field_length = 0;
  LengthDistribution field_length_distribution = LengthDistribution::kConstant;
  std::optional<HistogramGenerator> field_length_histogram;
  bool read_all_fields = false;
  bool write_all_fields = false;
  bool raw_value = false;
  UpdateMode update = UpdateMode::kRead;
  double compressibility = 0;  // 0 = YCSB's printable bytes, not aimed at any ratio.

  bool ordered_inserts = false;
  uint32_t zero_padding = 0;
  KeyFormatKind key_format = KeyFormatKind::kYcsb;
  KeyHashKind key_hash = KeyHashKind::kYcsb;

  uint64_t max_field_bytes() const;
  uint64_t max_record_bytes() const;
  // Keys that YCSB expects the run phase to add; it makes the zipfian range that much larger.
  uint64_t expected_new_keys() const;
  bool operator==(const Settings&) const = default;
};

// Reads and checks everything. The Status is reader.status().
Result<Settings> ReadSettings(PropertyReader& reader);

}  // namespace lsmlab::workloads
