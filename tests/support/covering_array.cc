#include "tests/support/covering_array.h"

#include <algorithm>
#include <utility>

#include "engine/base/random.h"

namespace lsmlab::test {
namespace {

// Rows that are drawn, of which the one with the most new pairs is kept.
constexpr int kCandidates = 8;

class CoveringArrayMaker {
 public:
  CoveringArrayMaker(const std::vector<Factor>& factors, const CanBeCompleted& can_be_completed,
                     uint64_t seed)
      : factors_(factors), can_be_completed_(can_be_completed), random_(seed) {
    for (const Factor& factor : factors) {
      first_.push_back(values_);
      values_ += factor.values.size();
    }
  }

  CoveringArray Make() {
    FindPairs();
    while (open_pairs_ > 0) {
      Row best;
      size_t best_gain = 0;
      for (int i = 0; i < kCandidates; ++i) {
        Row row = Draw();
        const size_t gain = Gain(row);
        if (gain > best_gain) {
          best = std::move(row);
          best_gain = gain;
        }
      }
      Cover(best);
      array_.rows.push_back(std::move(best));
    }
    return std::move(array_);
  }

 private:
  // Whether the pair is possible and in no row yet.
  bool IsOpen(size_t f, int v, size_t g, int w) const {
    return uncovered_[(first_[f] + static_cast<size_t>(v)) * values_ + first_[g] +
                      static_cast<size_t>(w)];
  }
  void Set(size_t f, int v, size_t g, int w, bool open) {
    const size_t a = first_[f] + static_cast<size_t>(v), b = first_[g] + static_cast<size_t>(w);
    uncovered_[a * values_ + b] = uncovered_[b * values_ + a] = open;
  }
  int Count(size_t f) const { return static_cast<int>(factors_[f].values.size()); }

  void FindPairs() {
    uncovered_.assign(values_ * values_, false);
    Row row(factors_.size(), kOpen);
    for (size_t f = 0; f < factors_.size(); ++f) {
      for (row[f] = 0; row[f] < Count(f); ++row[f]) {
        for (size_t g = f + 1; g < factors_.size(); ++g) {
          for (row[g] = 0; row[g] < Count(g); ++row[g]) {
            const bool possible = can_be_completed_(row);
            Set(f, row[f], g, row[g], possible);
            ++(possible ? array_.pairs : array_.impossible);
          }
          row[g] = kOpen;
        }
      }
      row[f] = kOpen;
    }
    open_pairs_ = array_.pairs;
  }

  // Uncovered pairs of a value with those that the row has.
  size_t GainOf(const Row& row, size_t f, int v) const {
    size_t gain = 0;
    for (size_t g = 0; g < row.size(); ++g) {
      if (g != f && row[g] != kOpen) gain += IsOpen(f, v, g, row[g]);
    }
    return gain;
  }
  size_t Gain(const Row& row) const {
    size_t twice = 0;
    for (size_t f = 0; f < row.size(); ++f) {
      if (row[f] != kOpen) twice += GainOf(row, f, row[f]);
    }
    return twice / 2;
  }
  // Uncovered pairs of a value with any other.
  size_t NeedOf(size_t f, int v) const {
    const auto begin = uncovered_.begin() +
                       static_cast<std::ptrdiff_t>((first_[f] + static_cast<size_t>(v)) * values_);
    return static_cast<size_t>(
        std::count(begin, begin + static_cast<std::ptrdiff_t>(values_), true));
  }

  void Cover(const Row& row) {
    for (size_t f = 0; f < row.size(); ++f) {
      for (size_t g = f + 1; g < row.size(); ++g) {
        if (row[f] == kOpen || row[g] == kOpen || !IsOpen(f, row[f], g, row[g])) continue;
        Set(f, row[f], g, row[g], false);
        --open_pairs_;
      }
    }
  }

  template <typename T>
  void Shuffle(std::vector<T>& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[random_.Below(i)]);
  }

  // The value that is needed most, with one of those that it is needed with: every row covers at
  // least this pair.
  Row Begin() {
    size_t most = 0, at = 0;
    int value = 0;
    for (size_t f = 0; f < factors_.size(); ++f) {
      for (int v = 0; v < Count(f); ++v) {
        const size_t need = NeedOf(f, v);
        if (need <= most) continue;
        most = need;
        at = f;
        value = v;
      }
    }
    Row row(factors_.size(), kOpen);
    row[at] = value;
    size_t chosen = random_.Below(most);
    for (size_t g = 0; g < factors_.size(); ++g) {
      for (int w = 0; g != at && w < Count(g); ++w) {
        if (!IsOpen(at, value, g, w) || chosen-- > 0) continue;
        row[g] = w;
        return row;
      }
    }
    return row;
  }

  // Then factor by factor, in a random order, what adds the most.
  Row Draw() {
    Row row = Begin();
    std::vector<size_t> order;
    for (size_t f = 0; f < factors_.size(); ++f) order.push_back(f);
    Shuffle(order);
    std::stable_partition(order.begin(), order.end(), [&](size_t f) { return factors_[f].early; });
    for (const size_t f : order) {
      if (row[f] != kOpen) continue;
      std::vector<int> values;
      for (int v = 0; v < Count(f); ++v) values.push_back(v);
      Shuffle(values);
      std::stable_sort(values.begin(), values.end(), [&](int v, int w) {
        return std::pair(GainOf(row, f, v), NeedOf(f, v)) >
               std::pair(GainOf(row, f, w), NeedOf(f, w));
      });
      for (const int v : values) {
        row[f] = v;
        if (can_be_completed_(row)) break;
        row[f] = kOpen;
      }
    }
    return row;
  }

  const std::vector<Factor>& factors_;
  const CanBeCompleted& can_be_completed_;
  Random random_;
  std::vector<size_t> first_;  // of each factor: the number of its first value among all
  size_t values_ = 0;
  std::vector<bool> uncovered_;  // value by value, both ways
  size_t open_pairs_ = 0;
  CoveringArray array_;
};

}  // namespace

CoveringArray MakeCoveringArray(const std::vector<Factor>& factors,
                                const CanBeCompleted& can_be_completed, uint64_t seed) {
  return CoveringArrayMaker(factors, can_be_completed, seed).Make();
}

}  // namespace lsmlab::test
