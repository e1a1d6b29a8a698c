#pragma once

#include <cstdint>
#include <vector>

// How often each key is written, as far as a simulation without data must know it.
namespace lsmlab::harness {

// A set of keys, each write going to one of them, independently of all others. Keys are taken to be
// hashed over the key space, so that keys of every popularity lie evenly over it. All figures are
// expected values; the number of writes that reaches a key is taken as Poisson distributed, which
// for more than a few keys is what drawing gives. Immutable: any number of threads.
class KeyPopularity {
 public:
  // All keys alike. REQUIRES for both: keys >= 1.
  static KeyPopularity Uniform(double keys);
  // The key of rank r (from 1) with a probability proportional to r^-theta (Gray et al., "Quickly
  // Generating Billion-Record Synthetic Databases", 1994). Ranks are put into classes of nearly
  // equal probability. REQUIRES: 0 < theta <= 3.
  static KeyPopularity Zipfian(double keys, double theta) { return Scrambled(keys, theta, keys); }
  // YCSB's: `items` ranks, each hashed onto a key. REQUIRES: items >= keys; equal: as Zipfian.
  static KeyPopularity Scrambled(double keys, double theta, double items);

  double keys() const noexcept { return keys_; }
  // How many different keys `draws` writes reach. Grows from 0 to keys().
  double Distinct(double draws) const;
  // The inverse: how many writes reach `distinct` different keys; at most draws_of_all().
  double DrawsFor(double distinct) const;
  // Writes after which practically every key was reached.
  double draws_of_all() const noexcept { return draws_of_all_; }

 private:
  explicit KeyPopularity(double keys) : keys_(keys) {}
  struct RankClass {
    double keys, probability;  // of one of them
  };
  void Tabulate(const std::vector<RankClass>& classes, bool hashed);

  double keys_;
  double draws_of_all_ = 0;
  // Not uniform: logarithms of Distinct at draws of equal logarithmic distance.
  double log_first_ = 0, log_step_ = 1;
  std::vector<double> log_distinct_;
};

}  // namespace lsmlab::harness
