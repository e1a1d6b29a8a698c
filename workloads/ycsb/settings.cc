#include "workloads/ycsb/settings.h"

#include <algorithm>

#include "engine/base/coding.h"
#include "workloads/distributions/zipfian.h"

namespace lsmlab::workloads {
namespace {

// Key numbers stay below 2^62, so that sums of two do not overflow; the bits above are free for
// the numbers of missing keys.
constexpr uint64_t kMaxCount = (uint64_t{1} << 62) - 1;
constexpr uint64_t kMaxFieldBytes = 64 << 20;
constexpr uint64_t kMaxRecordBytes = 64 << 20;
constexpr uint64_t kMaxScanPrefix = 256;
constexpr uint64_t kJavaMaxInt = 2147483647;

void ReadCounts(PropertyReader& r, Settings* s) {
  const std::string name = r.Text("workload", "site.ycsb.workloads.CoreWorkload");
  if (name != "core" && name.substr(name.rfind('.') + 1) != "CoreWorkload") {
    r.NotSupported("workload", "site.ycsb.workloads.CoreWorkload or core");
  }
  s->record_count = r.Integer("recordcount", 0, 0, kMaxCount);
  if (s->record_count == 0) s->record_count = kJavaMaxInt;
  s->operation_count = r.Integer("operationcount", 0, 0, kMaxCount);
  s->insert_start = r.Integer("insertstart", 0, 0, kMaxCount);
  const bool starts_inside = s->insert_start < s->record_count;
  const uint64_t rest = starts_inside ? s->record_count - s->insert_start : 0;
  s->insert_count = r.Integer("insertcount", rest, 0, kMaxCount);
  if (!starts_inside || s->insert_count > rest) {
    r.Fail(r.Given("insertcount") && starts_inside ? "insertcount" : "insertstart",
           "insertstart + insertcount = " + std::to_string(s->insert_start + s->insert_count) +
               "; allowed: insertstart below recordcount, the sum up to recordcount = " +
               std::to_string(s->record_count));
  } else if (s->insert_count == 0) {
    r.Fail("insertcount", "no record to choose from; allowed: at least 1");
  }
  s->max_execution_seconds = r.Real("maxexecutiontime", 0, 0, 1e9);
  s->thread_count = static_cast<uint32_t>(r.Integer("threadcount", 1, 1, 65536));
  s->target_ops_per_s = r.Real("target", 0, 0, 1e12);
}

void ReadMix(PropertyReader& r, Settings* s) {
  const auto weight = [&](OpKind kind, std::string_view name, double fallback) {
    s->weights[static_cast<size_t>(kind)] = r.Real(name, fallback, 0, 1e9);
  };
  weight(OpKind::kRead, "readproportion", 0.95);
  weight(OpKind::kUpdate, "updateproportion", 0.05);
  weight(OpKind::kInsert, "insertproportion", 0);
  weight(OpKind::kScan, "scanproportion", 0);
  weight(OpKind::kReadModifyWrite, "readmodifywriteproportion", 0);
  weight(OpKind::kDelete, "lsmlab.deleteproportion", 0);
  weight(OpKind::kSeek, "lsmlab.seekproportion", 0);
  double sum = 0;
  for (const double w : s->weights) sum += w;
  if (sum <= 0) r.Fail("readproportion", "all proportions are 0; allowed: at least one above 0");
  s->read_missing = r.Real("lsmlab.readmissing", 0, 0, 1);
}

void ReadRequests(PropertyReader& r, Settings* s) {
  s->request = static_cast<RequestDistribution>(
      r.Choice("requestdistribution", 0,
               {"uniform", "zipfian", "latest", "hotspot", "exponential", "sequential"}));
  s->zipfian_constant = r.RealWithin("lsmlab.zipfianconstant", kYcsbZipfianConstant, 0, 1);
  s->hotspot_data_fraction = r.Real("hotspotdatafraction", 0.2, 0, 1);
  s->hotspot_op_fraction = r.Real("hotspotopnfraction", 0.8, 0, 1);
  s->exponential_percentile = r.RealWithin("exponential.percentile", 95, 0, 100);
  s->exponential_fraction = r.RealWithin("exponential.frac", 0.8571428571, 0, 1e9);
  if (s->request == RequestDistribution::kLatest && s->record_count < 2) {
    r.Fail("recordcount", "1 with latest, which never asks for key 0; allowed: at least 2");
  }
  const bool inserts = s->weights[static_cast<size_t>(OpKind::kInsert)] > 0;
  if (s->request == RequestDistribution::kZipfian && inserts && s->operation_count == 0) {
    r.Fail("operationcount",
           "0 or absent with zipfian requests and inserts; allowed: at least 1, for it decides "
           "how many new keys are expected");
  }
}

void ReadScans(PropertyReader& r, Settings* s) {
  s->max_scan_length = r.Integer("maxscanlength", 1000, 1, kMaxCount);
  s->min_scan_length = r.Integer("minscanlength", 1, 1, kMaxCount);
  if (s->min_scan_length > s->max_scan_length) {
    r.Fail(r.Given("minscanlength") ? "minscanlength" : "maxscanlength",
           "minscanlength " + std::to_string(s->min_scan_length) +
               "; allowed: up to maxscanlength = " + std::to_string(s->max_scan_length));
  }
  s->scan_length = static_cast<LengthDistribution>(
      1 + r.Choice("scanlengthdistribution", 0, {"uniform", "zipfian"}));
  s->scan_prefix_bytes = r.Integer("lsmlab.scanprefix", 0, 0, kMaxScanPrefix);
}

void ReadRecords(PropertyReader& r, Settings* s) {
  s->field_count = static_cast<uint32_t>(r.Integer("fieldcount", 10, 1, 65536));
  s->field_length = r.Integer("fieldlength", 100, 0, kMaxFieldBytes);
  s->min_field_length = r.Integer("minfieldlength", 1, 0, kMaxFieldBytes);
  s->field_length_distribution = static_cast<LengthDistribution>(
      r.Choice("fieldlengthdistribution", 0, {"constant", "uniform", "zipfian", "histogram"}));
  const bool ranged = s->field_length_distribution == LengthDistribution::kUniform ||
                      s->field_length_distribution == LengthDistribution::kZipfian;
  if (ranged && s->min_field_length > s->field_length) {
    r.Fail(r.Given("minfieldlength") ? "minfieldlength" : "fieldlength",
           "minfieldlength " + std::to_string(s->min_field_length) +
               "; allowed: up to fieldlength = " + std::to_string(s->field_length));
  }
  const std::string histogram = r.Text("fieldlengthhistogram", "hist.txt");
  if (s->field_length_distribution == LengthDistribution::kHistogram) {
    Result<HistogramGenerator> opened = HistogramGenerator::Open(histogram);
    if (!opened.ok()) {
      r.Fail("fieldlengthhistogram", std::string(opened.status().message()) +
                                         "; allowed: a histogram file that can be read");
    } else {
      s->field_length_histogram = std::move(opened).value();
    }
  }
  s->read_all_fields = r.Boolean("readallfields", true);
  s->write_all_fields = r.Boolean("writeallfields", false);
  s->raw_value = r.Boolean("lsmlab.rawvalue", false);
  if (s->raw_value && s->field_count != 1) {
    r.Fail("lsmlab.rawvalue", "true with fieldcount " + std::to_string(s->field_count) +
                                  "; allowed: true only with fieldcount 1");
  }
  if (s->max_record_bytes() > kMaxRecordBytes) {
    r.Fail(r.Given("fieldlength") ? "fieldlength" : "fieldcount",
           "a record of up to " + std::to_string(s->max_record_bytes()) +
               " bytes; allowed: up to " + std::to_string(kMaxRecordBytes));
  }
  s->update = static_cast<UpdateMode>(r.Choice("lsmlab.update", 0, {"read", "blind"}));
  s->compressibility =
      r.Given("lsmlab.compressibility") ? r.Real("lsmlab.compressibility", 1, 1, 50) : 0;
  if (r.Boolean("dataintegrity", false)) r.NotSupported("dataintegrity", "false");
}

void ReadKeys(PropertyReader& r, Settings* s) {
  // YCSB takes any other word than "hashed" for ordered.
  s->ordered_inserts = r.Text("insertorder", "hashed") != "hashed";
  s->zero_padding = static_cast<uint32_t>(r.Integer("zeropadding", 1, 0, 1024));
  s->key_format = static_cast<KeyFormatKind>(r.Choice("lsmlab.keyformat", 0, {"ycsb", "binary16"}));
  s->key_hash =
      static_cast<KeyHashKind>(r.Choice("lsmlab.keyhash", 0, {"ycsb", "ycsb-cpp", "go-ycsb"}));
  if (s->key_format == KeyFormatKind::kBinary16 && s->ordered_inserts) {
    r.Fail("lsmlab.keyformat", "binary16 with ordered inserts; allowed: insertorder=hashed");
  }
}

}  // namespace

uint64_t Settings::max_field_bytes() const {
  if (field_length_histogram) return field_length_histogram->max();
  return field_length;
}

uint64_t Settings::max_record_bytes() const {
  const uint64_t field = max_field_bytes();
  if (raw_value) return field;
  return field_count * (field + static_cast<uint64_t>(VarintLength(field)));
}

uint64_t Settings::expected_new_keys() const {
  const double share = weights[static_cast<size_t>(OpKind::kInsert)];
  const double expected = static_cast<double>(operation_count) * share * 2.0;
  return static_cast<uint64_t>(std::min(expected, static_cast<double>(kMaxCount)));
}

Result<Settings> ReadSettings(PropertyReader& reader) {
  Settings settings;
  ReadCounts(reader, &settings);
  ReadMix(reader, &settings);
  ReadRequests(reader, &settings);
  ReadScans(reader, &settings);
  ReadRecords(reader, &settings);
  ReadKeys(reader, &settings);
  if (!reader.status().ok()) return reader.status();
  return settings;
}

}  // namespace lsmlab::workloads
