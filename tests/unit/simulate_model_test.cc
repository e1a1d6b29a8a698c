// What simulated tables are said to hold, against sets of real keys.

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <set>
#include <vector>

#include "harness/simulate/merge_model.h"
#include "harness/simulate/sim_tree.h"
#include "harness/simulate/sim_workload.h"

namespace lsmlab::harness {
namespace {

constexpr int kModelKeys = 20'000;

// Keys with random places, and tables as maps from key to whether its newest version is a delete.
class RealKeys {
 public:
  explicit RealKeys(uint64_t seed, double theta) : random_(seed) {
    double sum = 0;
    for (int key = 0; key < kModelKeys; ++key) {
      places_.push_back(random_.Next() >> 2);
      sum += std::pow(key + 1, -theta);
      cumulated_.push_back(sum);
    }
  }
  struct Entry {
    int key;
    bool deleted;
  };
  using Table = std::map<int, bool>;
  // `draws` writes of which those within [begin, end) are kept.
  Table Draw(int draws, double delete_share, uint64_t begin = 0, uint64_t end = kKeySpaceEnd) {
    Table table;
    for (int i = 0; i < draws; ++i) {
      const double at = random_.NextDouble() * cumulated_.back();
      const int key = static_cast<int>(std::lower_bound(cumulated_.begin(), cumulated_.end(), at) -
                                       cumulated_.begin());
      const bool deleted = random_.NextDouble() < delete_share;
      const uint64_t place = places_[static_cast<size_t>(key)];
      if (place >= begin && place < end) table[key] = deleted;
    }
    return table;
  }
  // Of `draws` writes: keys that end with a value and had a delete before.
  double CountLostDeletes(int draws, double delete_share) {
    std::map<int, std::pair<bool, bool>> keys;  // whether the last write deletes, and whether any
    for (int i = 0; i < draws; ++i) {
      const double at = random_.NextDouble() * cumulated_.back();
      auto& [last, any] = keys[static_cast<int>(
          std::lower_bound(cumulated_.begin(), cumulated_.end(), at) - cumulated_.begin())];
      last = random_.NextDouble() < delete_share;
      any = any || last;
    }
    double lost = 0;
    for (const auto& [key, deletes] : keys) lost += deletes.second && !deletes.first ? 1 : 0;
    return lost;
  }
  uint64_t place(int key) const { return places_[static_cast<size_t>(key)]; }

 private:
  Random random_;
  std::vector<uint64_t> places_;
  std::vector<double> cumulated_;
};

// The newer one's versions win.
RealKeys::Table Union(const RealKeys::Table& newer, const RealKeys::Table& older) {
  RealKeys::Table both = newer;
  both.insert(older.begin(), older.end());
  return both;
}

double PutsIn(const RealKeys::Table& table) {
  double puts = 0;
  for (const auto& [key, deleted] : table) puts += deleted ? 0 : 1;
  return puts;
}

KeyPopularity Popularity(double theta) {
  return theta == 0 ? KeyPopularity::Uniform(kModelKeys)
                    : KeyPopularity::Zipfian(kModelKeys, theta);
}

class SimContents : public testing::TestWithParam<double> {};

TEST_P(SimContents, DistinctKeysAreThoseOfRealDraws) {
  RealKeys keys(1, GetParam());
  const KeyPopularity popularity = Popularity(GetParam());
  for (const int draws : {10, 1000, 20'000, 100'000}) {
    const auto real = static_cast<double>(keys.Draw(draws, 0).size());
    const double said = popularity.Distinct(draws);
    EXPECT_NEAR(said, real, 0.01 * real + 4 * std::sqrt(real)) << draws;
    EXPECT_NEAR(popularity.DrawsFor(said) / draws, 1, 1e-3) << draws;
  }
  EXPECT_EQ(popularity.DrawsFor(0), 0);
  EXPECT_NEAR(popularity.Distinct(popularity.draws_of_all()), kModelKeys, 1);
}

TEST_P(SimContents, DeletesThatAreReplacedAreThoseOfRealDraws) {
  RealKeys keys(3, GetParam());
  for (const double share : {0.02, 0.5, 1.0}) {
    const ContentModel model(Popularity(GetParam()), share);
    for (const double draws : {2000.0, 20'000.0, 100'000.0}) {
      const double real = keys.CountLostDeletes(static_cast<int>(draws), share);
      EXPECT_NEAR(model.LostDeletes({0, draws, draws}), real, 0.03 * real + 4 * std::sqrt(real) + 1)
          << share << " of " << draws;
    }
  }
}

// Three stretches of writes, each over a part of the key space; the deepest has dropped its
// deletes.
TEST_P(SimContents, MergesHoldWhatRealMergesHold) {
  constexpr double kDeletes = 0.3;
  const uint64_t half = kKeySpaceEnd / 2, quarter = kKeySpaceEnd / 4;
  RealKeys keys(2, GetParam());
  const ContentModel model(Popularity(GetParam()), kDeletes);
  const RealKeys::Table newest = keys.Draw(15'000, kDeletes);
  const RealKeys::Table middle = keys.Draw(30'000, kDeletes, quarter, 3 * quarter);
  const RealKeys::Table oldest = keys.Draw(60'000, kDeletes, 0, half);
  const RealKeys::Table merged = Union(newest, Union(middle, oldest));
  Random random(3);
  const std::vector<ContentRange> inputs = {{0, kKeySpaceEnd, {0, 15'000, 15'000}, {}},
                                            {quarter, 3 * quarter, {0, 30'000, 30'000}, {}},
                                            {0, half, {0, 60'000, 0}, {}}};
  // Something older lies in the first half only: deletes of the second one are dropped.
  const std::vector<MergedTable> tables =
      MergeContents(model, inputs, {{0, half, {}, {}}}, {1e5, 100, 10}, random);
  ASSERT_GT(tables.size(), 3u);
  double puts = 0, tombstones = 0;
  for (size_t i = 0; i < tables.size(); ++i) {
    const ContentRange& range = tables[i].range;
    if (i > 0) {
      EXPECT_LE(tables[i - 1].range.end, range.begin);
    }
    if (i + 1 < tables.size()) {
      EXPECT_NEAR((100 * tables[i].puts + 10 * tables[i].tombstones) / 1e5, 1, 0.15);
    }
    // The mean content stands for about as many entries as the pieces had.
    const double share = static_cast<double>(range.end - range.begin) / kKeySpaceEnd;
    EXPECT_NEAR(share * model.Puts(range.content) / tables[i].puts, 1, 0.1);
    puts += tables[i].puts;
    tombstones += tables[i].tombstones;
    double real = 0;
    for (const auto& [key, deleted] : merged) {
      real += !deleted && keys.place(key) >= range.begin && keys.place(key) < range.end;
    }
    EXPECT_NEAR(tables[i].puts, real, 0.03 * real + 4 * std::sqrt(real)) << i;
  }
  EXPECT_NEAR(puts, PutsIn(merged), 0.03 * puts);
  // Deletes of the oldest stretch were gone before.
  double real_tombstones = 0;
  for (const auto& [key, deleted] : Union(newest, middle)) {
    real_tombstones += deleted && keys.place(key) < half;
  }
  EXPECT_NEAR(tombstones, real_tombstones, 0.05 * real_tombstones);
}

INSTANTIATE_TEST_SUITE_P(Distributions, SimContents, testing::Values(0.0, 0.7, 0.99, 1.0, 1.2),
                         [](const auto& test) {
                           return "theta" + std::to_string(static_cast<int>(test.param * 100));
                         });

// Written in key order, a key comes once in a round: its delete is replaced in the next one.
TEST(SimLostDeletes, OfWritesInKeyOrderAreThoseOfRoundsBefore) {
  const ContentModel model(KeyPopularity::Uniform(1000), 0.25, ContentModel::Mean::kOfKeys);
  const double round = model.popularity().draws_of_all();
  EXPECT_EQ(model.LostDeletes({0, round, round}), 0);
  EXPECT_NEAR(model.LostDeletes({0, 2 * round, 2 * round}), 1000 * 0.75 * 0.25, 1e-6);
  EXPECT_EQ(model.LostDeletes({0, 2 * round, round}), 0);
}

// In outputs, too, that are so small that on average none is in them; but not where nothing is left
// of what they deleted.
TEST(SimLostDeletes, StayLostWhereSomethingOlderLies) {
  const uint64_t eighth = kKeySpaceEnd / 8;
  const ContentModel model(KeyPopularity::Uniform(1e6), 0.01);
  Random random(3);
  const ContentRange newer{0, kKeySpaceEnd, {0, 1e4, 1e4}, {2 * eighth, 6 * eighth}};
  const ContentRange point{0, kKeySpaceEnd, {0, 1e4, 1e4}, {eighth, eighth + 1}};
  const std::vector<MergedTable> tables =
      MergeContents(model, {newer, point}, {{0, 4 * eighth, {}, {}}}, {1000, 1, 1}, random);
  ASSERT_GT(tables.size(), 15u);
  for (const MergedTable& table : tables) {
    const auto [begin, end, content, lost] = table.range;
    SCOPED_TRACE(static_cast<double>(begin) / eighth);
    ASSERT_LT(model.LostDeletes(content) / static_cast<double>(tables.size()), 0.5);
    const bool in_range = begin < 4 * eighth && end > 2 * eighth;
    const bool at_point = begin <= eighth && end > eighth;
    EXPECT_EQ(!lost.empty(), in_range || at_point);
    if (lost.empty()) continue;
    EXPECT_GE(lost.begin, begin);
    EXPECT_LE(lost.end, std::min(end, 4 * eighth));
    if (!in_range) {
      EXPECT_EQ(lost.end - lost.begin, 1u);
    }
  }
}

TEST(SimLostDeletes, LieFromTheFirstToTheLastKey) {
  EXPECT_TRUE(StretchOfKeys(0.49, {100, 200}).empty());
  EXPECT_TRUE(StretchOfKeys(5, {100, 100}).empty());
  const Stretch one = StretchOfKeys(1, {100, 200}), many = StretchOfKeys(9, {100, 200});
  EXPECT_EQ(one.begin, 150u);
  EXPECT_EQ(one.end, 151u);
  EXPECT_EQ(many.begin, 110u);
  EXPECT_EQ(many.end, 190u);
}

TEST(SimPopularity, ScrambledRanksFallOnAnyKey) {
  constexpr double kTheta = 0.9;
  constexpr int kItems = 500'000;
  Random random(6);
  std::vector<double> popularity(kModelKeys);
  double sum = 0;
  for (int rank = 1; rank <= kItems; ++rank) {
    const double p = std::pow(rank, -kTheta);
    popularity[random.Below(kModelKeys)] += p;
    sum += p;
  }
  const KeyPopularity said = KeyPopularity::Scrambled(kModelKeys, kTheta, kItems);
  for (const double draws : {100.0, 1e4, 1e5}) {
    double distinct = 0;
    for (const double p : popularity) distinct -= std::expm1(-draws * p / sum);
    EXPECT_NEAR(said.Distinct(draws) / distinct, 1, 0.02) << draws;
  }
}

TEST(SimContentsOfLoads, SharesOfOneLoadAddUp) {
  const ContentModel model(KeyPopularity::Uniform(1000), 0);
  Random random(1);
  const std::vector<MergedTable> merged = MergeContents(
      model, {{0, kKeySpaceEnd, {0.25, 0, 0}, {}}, {0, kKeySpaceEnd, {0.5, 0, 0}, {}}}, {}, {},
      random);
  ASSERT_EQ(merged.size(), 1u);
  EXPECT_NEAR(merged[0].puts, 750, 1e-6);
  // Writes after it reach loaded and missing keys alike.
  EXPECT_NEAR(model.Puts({0.75, 1000, 0}), 1000 * (1 - 0.25 * std::exp(-1)), 1e-6);
}

// Against a list of tables that is looked through from end to end.
TEST(SimTreeShape, StaysTrueUnderRandomEdits) {
  Random random(4);
  SimTree tree(4);
  uint64_t file = 0;
  for (int step = 0; step < 2000; ++step) {
    SimTree::Edit edit;
    const auto level = static_cast<uint32_t>(random.Below(4));
    const auto run = static_cast<uint32_t>(random.Below(3));
    const uint64_t width = kKeySpaceEnd / 64;
    const uint64_t begin = random.Below(56), end = begin + 1 + random.Below(8);
    for (const auto& [number, table] : tree.all()) {
      const bool same = table.level == level && table.run == run;
      if (same && table.range.begin < end * width && table.range.end > begin * width) {
        edit.removed.push_back(number);
      } else if (random.OneIn(40)) {
        edit.removed.push_back(number);
      }
    }
    for (uint64_t at = begin; at < end; ++at) {
      if (random.OneIn(3)) continue;
      edit.added.push_back(
          {++file, level, run, {at * width, at * width + 1 + random.Below(width), {}, {}}, 0});
      TableShape shape;
      shape.bytes = 1 + random.Below(100);
      edit.shapes.push_back(shape);
    }
    tree.Apply(edit);
    size_t seen = 0;
    for (uint32_t l = 0; l < 4; ++l) {
      uint64_t bytes = 0;
      const LevelShape& shape = tree.shape().levels[l];
      for (size_t r = 0; r < shape.runs.size(); ++r) {
        if (r > 0) {
          ASSERT_GT(shape.runs[r - 1].run, shape.runs[r].run);
        }
        ASSERT_FALSE(shape.runs[r].tables.empty());
        for (size_t t = 0; t < shape.runs[r].tables.size(); ++t) {
          const TableShape& table = shape.runs[r].tables[t];
          if (t > 0) {
            ASSERT_LT(shape.runs[r].tables[t - 1].largest_key, table.smallest_key);
          }
          ASSERT_EQ(tree.Find(table.file)->level, l);
          bytes += table.bytes;
          ++seen;
          uint64_t overlap = 0;
          for (uint32_t below = l + 1; below < std::min(l + 2, 4u); ++below) {
            for (const RunShape& other : tree.shape().levels[below].runs) {
              for (const TableShape& o : other.tables) {
                if (o.smallest_key <= table.largest_key && o.largest_key >= table.smallest_key) {
                  overlap += o.bytes;
                }
              }
            }
          }
          ASSERT_EQ(table.next_level_overlap_bytes, overlap) << "step " << step;
        }
      }
      ASSERT_EQ(shape.bytes, bytes);
    }
    ASSERT_EQ(seen, tree.tables());
  }
}

TEST(SimOptions, SizesNumbersAndDistributions) {
  const auto size = [](std::string_view text) {
    const Result<double> parsed = ParseSize("--x", text, 0, 1e18);
    return parsed.ok() ? parsed.value() : -1;
  };
  EXPECT_EQ(size("100TB"), 1e14);
  EXPECT_EQ(size("1.5 GiB"), 1.5 * (1 << 30));
  EXPECT_EQ(size("4096"), 4096);
  for (const char* bad : {"", "TB", "1TBB", "-1", "1e400", "nan", "inf", "1  KB", "9e18", "1Kb"}) {
    EXPECT_EQ(size(bad), -1) << bad;
  }
  const Result<double> refused = ParseSize("--user-bytes", "12parsecs", 0, 1e18);
  EXPECT_NE(refused.status().message().find("--user-bytes: '12parsecs'"), std::string::npos);
  EXPECT_EQ(refused.status().message().find('\n'), std::string::npos);
  SimWorkload w;
  EXPECT_TRUE(ParseDistribution("--d", "scrambled:0.9", &w).ok());
  EXPECT_EQ(w.order, SimWorkload::Order::kScrambled);
  EXPECT_TRUE(ParseDistribution("--d", "zipfian:1.1", &w).ok());
  EXPECT_EQ(w.order, SimWorkload::Order::kZipfian);
  EXPECT_EQ(w.theta, 1.1);
  for (const char* bad : {"", "zipfian", "zipfian:", "zipfian:0", "zipfian:9", "unifrom"}) {
    EXPECT_FALSE(ParseDistribution("--d", bad, &w).ok()) << bad;
  }
}

}  // namespace
}  // namespace lsmlab::harness
