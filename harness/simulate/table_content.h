#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "harness/simulate/popularity.h"

// What a table holds, without holding it.
//
// A table of a real tree holds, over its key range, the newest versions of the keys that were
// written in certain stretches of time. With writes that are independent draws it is enough to know
// how many writes those stretches had: a key is there if at least one of them reached it. Merging
// tables joins their stretches, so that the numbers add up, whatever the popularity of the keys. A
// load, which writes every key exactly once in random order, is a share of the keys instead;
// shares of one load add up, too.
namespace lsmlab::harness {

// Per position of the key space: the writes are those of the whole store in that time, as if it
// were repeated at every position.
struct TableContent {
  double loaded = 0;   // share of the keys that a load has written; 0 to 1
  double draws = 0;    // writes after the load whose newest versions are here
  double deletes = 0;  // of those, the latest: writes whose tombstones are here, too. At most draws

  TableContent& operator+=(const TableContent& other) noexcept {
    loaded += other.loaded;
    draws += other.draws;
    deletes += other.deletes;
    return *this;
  }
  TableContent& operator-=(const TableContent& other) noexcept {
    loaded = std::max(0.0, loaded - other.loaded);
    draws = std::max(0.0, draws - other.draws);
    deletes = std::max(0.0, deletes - other.deletes);
    return *this;
  }
};

// How many entries contents stand for. Immutable: any number of threads.
class ContentModel {
 public:
  // What stays the same when contents that differ from place to place are replaced by their mean.
  // With random writes it must be the writes: all tables of a place together hold all writes so
  // far, so where one has more another has less, and means of anything else lose some at every
  // merge. With writes in key order the place is written or not: the number of keys.
  enum class Mean : uint8_t { kOfDraws, kOfKeys };
  // `delete_share`: of the writes after the load, 0 to 1.
  ContentModel(KeyPopularity popularity, double delete_share, Mean mean = Mean::kOfDraws)
      : popularity_(std::move(popularity)), delete_share_(delete_share), mean_(mean) {}

  // Writes as they are to be summed up over the places of a table, and back.
  double ToMean(double draws) const {
    return mean_ == Mean::kOfDraws ? draws : popularity_.Distinct(draws);
  }
  double FromMean(double mean) const {
    return mean_ == Mean::kOfDraws ? mean : popularity_.DrawsFor(mean);
  }

  const KeyPopularity& popularity() const noexcept { return popularity_; }
  double delete_share() const noexcept { return delete_share_; }
  // Values, were the content the same over the whole key space: keys whose latest write there was
  // no delete.
  double Puts(const TableContent& content) const {
    const double drawn = popularity_.Distinct(content.draws);
    const double untouched = popularity_.keys() - drawn;
    return (1 - delete_share_) * drawn + std::min(content.loaded, 1.0) * untouched;
  }
  double Tombstones(const TableContent& content) const {
    if (delete_share_ <= 0) return 0;
    return delete_share_ * popularity_.Distinct(std::min(content.deletes, content.draws));
  }
  // Values that have taken the place of tombstones: keys of which the latest `deletes` writes end
  // with a value and had a delete among them.
  double LostDeletes(const TableContent& content) const {
    const double writes = std::min(content.deletes, content.draws);
    if (delete_share_ <= 0 || writes <= 0) return 0;
    if (mean_ == Mean::kOfKeys) {
      // Every key once in each round.
      const double rounds_before = std::max(0.0, writes / popularity_.draws_of_all() - 1);
      const double never = std::pow(1 - delete_share_, rounds_before);
      return (1 - delete_share_) * (1 - never) * popularity_.keys();
    }
    // Deletes alone are independent draws, too.
    const double deleted = popularity_.Distinct(delete_share_ * writes);
    return std::max(0.0, deleted - delete_share_ * popularity_.Distinct(writes));
  }

 private:
  KeyPopularity popularity_;
  double delete_share_;
  Mean mean_;
};

}  // namespace lsmlab::harness
