#pragma once

#include <cstdint>
#include <variant>

#include "engine/base/random.h"
#include "workloads/distributions/exponential.h"
#include "workloads/distributions/hotspot.h"
#include "workloads/distributions/latest.h"
#include "workloads/distributions/scrambled_zipfian.h"
#include "workloads/distributions/sequential.h"
#include "workloads/distributions/uniform.h"
#include "workloads/ycsb/insert_view.h"
#include "workloads/ycsb/settings.h"

namespace lsmlab::workloads {

// Chooses existing keys by the request distribution. One thread at a time.
class KeyChooser {
 public:
  KeyChooser(const Settings& settings, uint64_t thread, uint64_t threads)
      : generator_(Make(settings, thread, threads)) {}

  uint64_t Next(Random& random, InsertView& view) noexcept {
    return view.Own(Draw(random, view.last()));
  }

 private:
  using Generator = std::variant<UniformGenerator, ScrambledZipfianGenerator, LatestGenerator,
                                 HotspotGenerator, ExponentialGenerator, SequentialGenerator>;
  static Generator Make(const Settings& settings, uint64_t thread, uint64_t threads);
  // A number up to `last`.
  uint64_t Draw(Random& random, uint64_t last) noexcept;

  Generator generator_;
};

}  // namespace lsmlab::workloads
