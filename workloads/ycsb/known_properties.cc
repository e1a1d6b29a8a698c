#include "workloads/ycsb/known_properties.h"

#include <algorithm>
#include <vector>

namespace lsmlab::workloads {
namespace {

struct KnownProperty {
  std::string_view name;
  PropertyUse use;
};

constexpr PropertyUse kApplies = PropertyUse::kApplies;
constexpr PropertyUse kIgnored = PropertyUse::kIgnored;
constexpr PropertyUse kExtension = PropertyUse::kExtension;

constexpr KnownProperty kKnown[] = {
    {"workload", kApplies},
    {"recordcount", kApplies},
    {"operationcount", kApplies},
    {"maxexecutiontime", kApplies},
    {"threadcount", kApplies},
    {"target", kApplies},
    {"insertstart", kApplies},
    {"insertcount", kApplies},
    {"fieldcount", kApplies},
    {"fieldlength", kApplies},
    {"minfieldlength", kApplies},
    {"fieldlengthdistribution", kApplies},
    {"fieldlengthhistogram", kApplies},
    {"readallfields", kApplies},
    {"writeallfields", kApplies},
    {"readproportion", kApplies},
    {"updateproportion", kApplies},
    {"insertproportion", kApplies},
    {"scanproportion", kApplies},
    {"readmodifywriteproportion", kApplies},
    {"requestdistribution", kApplies},
    {"minscanlength", kApplies},
    {"maxscanlength", kApplies},
    {"scanlengthdistribution", kApplies},
    {"insertorder", kApplies},
    {"zeropadding", kApplies},
    {"hotspotdatafraction", kApplies},
    {"hotspotopnfraction", kApplies},
    {"exponential.percentile", kApplies},
    {"exponential.frac", kApplies},
    {"dataintegrity", kApplies},
    {"lsmlab.keyhash", kExtension},
    {"lsmlab.keyformat", kExtension},
    {"lsmlab.zipfianconstant", kExtension},
    {"lsmlab.readmissing", kExtension},
    {"lsmlab.deleteproportion", kExtension},
    {"lsmlab.seekproportion", kExtension},
    {"lsmlab.scanprefix", kExtension},
    {"lsmlab.compressibility", kExtension},
    {"lsmlab.update", kExtension},
    {"lsmlab.rawvalue", kExtension},
    {"db", kIgnored},
    {"table", kIgnored},
    {"columnfamily", kIgnored},
    {"fieldnameprefix", kIgnored},
    {"readallfieldsbyname", kIgnored},
    {"maxscanrate", kIgnored},
    {"scanoptimelimit", kIgnored},
    {"discardscannedrecord", kIgnored},
    {"core_workload_insertion_retry_limit", kIgnored},
    {"core_workload_insertion_retry_interval", kIgnored},
    {"core_workload_keep_going_on_error", kIgnored},
    {"measurementtype", kIgnored},
    {"measurement.interval", kIgnored},
    {"measurement.raw.output_file", kIgnored},
    {"measurement.raw.no_summary", kIgnored},
    {"measurement.histogram.verbose", kIgnored},
    {"measurement.trackjvm", kIgnored},
    {"hdrhistogram.percentiles", kIgnored},
    {"hdrhistogram.fileoutput", kIgnored},
    {"hdrhistogram.output.path", kIgnored},
    {"histogram.buckets", kIgnored},
    {"timeseries.granularity", kIgnored},
    {"status.interval", kIgnored},
    {"reportlatencyforeacherror", kIgnored},
    {"latencytrackederrors", kIgnored},
    {"exporter", kIgnored},
    {"exportfile", kIgnored},
    {"label", kIgnored},
    {"dotransactions", kIgnored},
    {"spin.sleep", kIgnored},
};

// Settings of the tracing library that YCSB can pass its operations to; any name under it.
constexpr std::string_view kIgnoredPrefix = "htrace.";

// Damerau-Levenshtein distance (optimal string alignment), quadratic in the lengths.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = last[j - 1] + (a[i - 1] != b[j - 1]);
      row[j] = std::min({replace, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

}  // namespace

PropertyUse UseOfProperty(std::string_view name) noexcept {
  for (const KnownProperty& known : kKnown) {
    if (known.name == name) return known.use;
  }
  return name.starts_with(kIgnoredPrefix) ? PropertyUse::kIgnored : PropertyUse::kUnknown;
}

std::string_view NearestProperty(std::string_view name) {
  // A hostile name would make the quadratic distance slow; no known name is near that long.
  name = name.substr(0, 100);
  return std::min_element(std::begin(kKnown), std::end(kKnown),
                          [name](const KnownProperty& a, const KnownProperty& b) {
                            return EditDistance(name, a.name) < EditDistance(name, b.name);
                          })
      ->name;
}

}  // namespace lsmlab::workloads
