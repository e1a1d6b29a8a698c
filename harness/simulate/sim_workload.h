#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/base/status.h"

// What a simulated store is asked for.
namespace lsmlab::harness {

struct SimWorkload {
  enum class Order : uint8_t { kUniform, kZipfian, kScrambled, kSequential };
  double user_bytes = 0;       // keys and values written after the load
  double keys = 1;             // that exist, or may come to exist
  double key_bytes = 24;       // of one key
  double value_bytes = 1000;   // of one value
  double compressibility = 1;  // how many times smaller a perfect codec makes values
  Order order = Order::kUniform;
  double theta = 0.99;      // zipfian and scrambled only
  double delete_share = 0;  // of the writes, to keys chosen like all others
  bool load = false;        // before: every key is written once, in random order or in key order
  double load_share = 1;    // of the keys, from the first on, that the load writes
  double write_rate = 0;    // user bytes per second; 0: as fast as the store takes them
  double device_write_bandwidth = 0;  // bytes per second, all jobs together; 0: without limit
  double job_bandwidth = 0;           // input bytes per second of one job; 0: without limit
  uint32_t jobs = 1;                  // background threads, and compactions at the same time
  uint32_t samples = 100;             // points over time
  uint64_t seed = 42;                 // of the sizes of outputs, which vary

  double put_bytes() const noexcept { return key_bytes + value_bytes; }
  double mean_write_bytes() const noexcept { return key_bytes + (1 - delete_share) * value_bytes; }
  bool timed() const noexcept { return device_write_bandwidth > 0 || job_bandwidth > 0; }
};

// "64MiB", "1.5GB", "100 TB", "4096": KiB to PiB are powers of 1024, KB to PB of 1000.
// InvalidArgument names the option, the value and what is allowed. `max` is exclusive.
Result<double> ParseSize(std::string_view option, std::string_view text, double min, double max);
// A number with nothing after it, "1e9" among them, in [min, max].
Result<double> ParseNumber(std::string_view option, std::string_view text, double min, double max);
// "uniform", "sequential", "zipfian:THETA" or "scrambled:THETA" into order and theta.
Status ParseDistribution(std::string_view option, std::string_view text, SimWorkload* workload);

// "1.50 GiB": three digits, a power of 1024.
std::string SizeText(double bytes);
// "1.2M": three digits.
std::string CountText(double count);

}  // namespace lsmlab::harness
