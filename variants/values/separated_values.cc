#include <algorithm>
#include <cmath>

#include "engine/parts/codec.h"
#include "variants/values/values.h"

// Key-value separation: Lu et al., "WiscKey: Separating Keys from Values in SSD-conscious Storage",
// FAST 2016. Compactions then copy keys and references instead of values. Garbage is not collected
// by walking a log and asking the tree about each key, as there, but by the compactions that pass
// anyway, as in RocksDB's BlobDB and in Titan; the bound on space is kept by compactions of its
// own, which rewrite the tables that refer to the worst files.
namespace lsmlab {
namespace {

constexpr double kGiB = 1024.0 * 1024 * 1024;

constexpr SettingSpec kSeparatedSettings[] = {
    {"threshold", SettingType::kBytes, "1KiB", 1, 64.0 * 1024 * 1024, "",
     "bytes from which on a value goes to a value file"},
    {"file_size", SettingType::kBytes, "64MiB", 4096, 4 * kGiB, "",
     "bytes at which a value file is cut"},
    {"codec", SettingType::kChoice, "none", 0, 0, kCodecNames,
     "codec of the values in value files, each by itself"},
    {"gc_ratio", SettingType::kReal, "0.5", 0.01, 1, "",
     "share of garbage in a value file from which on compactions copy the values they meet out of "
     "it"},
    {"gc_age", SettingType::kReal, "1", 0, 1, "",
     "share of the value files, the oldest ones, that gc_ratio is for; young files are still "
     "gaining garbage"},
    {"max_space_amplification", SettingType::kReal, "1.5", 1.05, 1000, "",
     "bytes of all values in value files over those that tables refer to; beyond it the worst "
     "files "
     "are collected at once. What no compaction has met since its overwrite counts as referred to"},
    {"read_ahead", SettingType::kInteger, "16", 1, 256, "",
     "values that a scan reads ahead together; only where the I/O part can read side by side"},
};

// Collecting stops where this share of the allowed garbage is left, so that the next overwrite does
// not make the next job.
constexpr double kLeftGarbage = 0.9;

class SeparatedValues final : public ValueStore {
 public:
  explicit SeparatedValues(const SettingBag& bag)
      : threshold_(static_cast<size_t>(bag.Bytes("threshold"))),
        file_bytes_(bag.Bytes("file_size")),
        codec_(bag.Choice("codec")),
        gc_ratio_(bag.Real("gc_ratio")),
        gc_age_(bag.Real("gc_age")),
        max_amplification_(bag.Real("max_space_amplification")),
        read_ahead_(static_cast<size_t>(bag.Integer("read_ahead"))) {}

  size_t threshold_bytes() const noexcept override { return threshold_; }
  uint64_t file_bytes() const noexcept override { return file_bytes_; }
  std::string_view codec() const noexcept override { return codec_; }
  size_t read_ahead() const noexcept override { return read_ahead_; }

  std::vector<uint64_t> Collectable(std::span<const ValueFileShape> files) const override {
    std::vector<uint64_t> chosen = Overdue(files);
    const auto old = static_cast<size_t>(std::ceil(static_cast<double>(files.size()) * gc_age_));
    for (const ValueFileShape& file : files.first(old)) {
      if (file.garbage_bytes() > 0 && GarbageShare(file) >= gc_ratio_) chosen.push_back(file.file);
    }
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    return chosen;
  }

  // The files with the largest shares of garbage, as many as must go.
  std::vector<uint64_t> Overdue(std::span<const ValueFileShape> files) const override {
    auto [all, live] = Sums(files);
    if (all <= max_amplification_ * live) return {};
    std::vector<const ValueFileShape*> worst;
    for (const ValueFileShape& file : files) {
      if (file.garbage_bytes() > 0) worst.push_back(&file);
    }
    std::stable_sort(worst.begin(), worst.end(),
                     [](const ValueFileShape* a, const ValueFileShape* b) {
                       return GarbageShare(*a) > GarbageShare(*b);
                     });
    const double wanted = (1 + kLeftGarbage * (max_amplification_ - 1)) * live;
    std::vector<uint64_t> overdue;
    for (const ValueFileShape* file : worst) {
      if (all <= wanted) break;
      all -= static_cast<double>(file->garbage_bytes());
      overdue.push_back(file->file);
    }
    std::sort(overdue.begin(), overdue.end());
    return overdue;
  }

  uint64_t DebtBytes(std::span<const ValueFileShape> files) const override {
    const auto [all, live] = Sums(files);
    return static_cast<uint64_t>(std::max(0.0, std::ceil(all - max_amplification_ * live)));
  }

 private:
  // All bytes and the live ones.
  static std::pair<double, double> Sums(std::span<const ValueFileShape> files) {
    std::pair<double, double> sums;
    for (const ValueFileShape& file : files) {
      sums.first += static_cast<double>(file.bytes);
      sums.second += static_cast<double>(file.live_bytes);
    }
    return sums;
  }
  static double GarbageShare(const ValueFileShape& file) {
    return static_cast<double>(file.garbage_bytes()) / static_cast<double>(file.bytes);
  }

  const size_t threshold_;
  const uint64_t file_bytes_;
  const std::string codec_;
  const double gc_ratio_, gc_age_, max_amplification_;
  const size_t read_ahead_;
};

}  // namespace

const ValuesVariant kSeparatedValues = {
    .name = "separated",
    .summary = "large values in value files, collected by compactions",
    .settings = kSeparatedSettings,
    .make = [](const SettingBag& bag) -> std::unique_ptr<ValueStore> {
      return std::make_unique<SeparatedValues>(bag);
    },
};

}  // namespace lsmlab
