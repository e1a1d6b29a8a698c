#include "workloads/ycsb/key_chooser.h"

namespace lsmlab::workloads {
namespace {

// Draws beyond the existing keys are repeated. A file may expect millions of times more keys than
// there are; then YCSB would hang, and we fold the last draw onto the existing ones after this
// many.
constexpr int kMaxRedraws = 1 << 16;

uint64_t RedrawnZipfian(ScrambledZipfianGenerator& zipfian, Random& random, uint64_t last) {
  uint64_t number = 0;
  for (int i = 0; i < kMaxRedraws; ++i) {
    number = zipfian.Next(random);
    if (number <= last) return number;
  }
  return number % (last + 1);
}

uint64_t RedrawnExponential(ExponentialGenerator& exponential, Random& random, uint64_t last) {
  uint64_t distance = 0;
  for (int i = 0; i < kMaxRedraws; ++i) {
    distance = exponential.Next(random);
    if (distance <= last) return last - distance;
  }
  return last - distance % (last + 1);
}

}  // namespace

KeyChooser::Generator KeyChooser::Make(const Settings& s, uint64_t thread, uint64_t threads) {
  switch (s.request) {
    case RequestDistribution::kZipfian:
      // One more than insertstart + insertcount: YCSB's upper bound is inclusive.
      return ScrambledZipfianGenerator(s.insert_start, s.insert_count + s.expected_new_keys() + 1,
                                       s.zipfian_constant);
    case RequestDistribution::kLatest:
      return LatestGenerator(s.record_count - 1, s.zipfian_constant);
    case RequestDistribution::kHotspot:
      return HotspotGenerator(s.insert_start, s.insert_count, s.hotspot_data_fraction,
                              s.hotspot_op_fraction);
    case RequestDistribution::kExponential:
      return ExponentialGenerator(s.exponential_percentile,
                                  static_cast<double>(s.record_count) * s.exponential_fraction);
    case RequestDistribution::kSequential:
      return SequentialGenerator(s.insert_start, s.insert_count, thread, threads);
    case RequestDistribution::kUniform:
      break;
  }
  return UniformGenerator(s.insert_start, s.insert_count);
}

uint64_t KeyChooser::Draw(Random& random, uint64_t last) noexcept {
  if (auto* zipfian = std::get_if<ScrambledZipfianGenerator>(&generator_)) {
    return RedrawnZipfian(*zipfian, random, last);
  }
  if (auto* uniform = std::get_if<UniformGenerator>(&generator_)) return uniform->Next(random);
  if (auto* latest = std::get_if<LatestGenerator>(&generator_)) return latest->Next(random, last);
  if (auto* hotspot = std::get_if<HotspotGenerator>(&generator_)) return hotspot->Next(random);
  if (auto* exponential = std::get_if<ExponentialGenerator>(&generator_)) {
    return RedrawnExponential(*exponential, random, last);
  }
  return std::get<SequentialGenerator>(generator_).Next(random);
}

}  // namespace lsmlab::workloads
