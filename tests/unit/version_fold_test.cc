#include "engine/format/version_fold.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace lsmlab {
namespace {

constexpr EntryKind kPut = EntryKind::kPut, kDelete = EntryKind::kDelete;

struct Written {
  Sequence sequence;
  EntryKind kind;
};

// What becomes of the versions of one key, newest first: a letter each. k: kept; s: kept for a
// snapshot; -: dropped. In capitals (and ! for -): and a delete is lost.
std::string Fold(std::vector<Sequence> snapshots, const std::vector<Written>& versions,
                 bool nothing_below = false) {
  VersionFold fold(std::move(snapshots));
  std::string fates;
  for (const Written& version : versions) {
    const bool kept = fold.Keep("key", MakeTag(version.sequence, version.kind), nothing_below);
    const char fate = !kept ? '-' : fold.for_snapshot() ? 's' : 'k';
    fates += !fold.lost_delete() ? fate : kept ? static_cast<char>(fate - 'a' + 'A') : '!';
  }
  return fates;
}

TEST(VersionFold, KeepsTheNewestThatEachSnapshotSees) {
  EXPECT_EQ(Fold({}, {{3, kPut}, {2, kPut}, {1, kPut}}), "k--");
  EXPECT_EQ(Fold({2}, {{3, kPut}, {2, kPut}, {1, kPut}}), "ks-");
  EXPECT_EQ(Fold({1, 2}, {{3, kPut}, {2, kPut}, {1, kPut}}), "kss");
  EXPECT_EQ(Fold({5}, {{3, kPut}, {1, kPut}}), "k-");
}

TEST(VersionFold, KeepsATombstoneWhileSomethingMayLieBelow) {
  EXPECT_EQ(Fold({}, {{3, kDelete}, {1, kPut}}), "k-");
  EXPECT_EQ(Fold({}, {{3, kDelete}, {1, kPut}}, /*nothing_below=*/true), "--");
  EXPECT_EQ(Fold({2}, {{3, kDelete}, {1, kPut}}, /*nothing_below=*/true), "ks");
}

TEST(VersionFold, ADeleteIsLostToAnythingButADelete) {
  EXPECT_EQ(Fold({}, {{3, kPut}, {2, kDelete}, {1, kPut}}), "k!-");
  EXPECT_EQ(Fold({}, {{3, EntryKind::kPutInValueFile}, {2, kDelete}}), "k!");
  EXPECT_EQ(Fold({}, {{3, kDelete}, {2, kDelete}, {1, kPut}}), "k--");
  EXPECT_EQ(Fold({}, {{3, EntryKind::kMerge}, {2, kDelete}}), "kk") << "nothing took its place";
  // Nothing lies below: nothing is left of what it deletes.
  EXPECT_EQ(Fold({}, {{3, kPut}, {2, kDelete}, {1, kPut}}, /*nothing_below=*/true), "k--");
}

TEST(VersionFold, ADeleteIsLostWhereASnapshotKeepsWhatItDeletes) {
  EXPECT_EQ(Fold({1}, {{3, kPut}, {2, kDelete}, {1, kPut}}, /*nothing_below=*/true), "k-S");
  // This one is not lost: the snapshot keeps it, too.
  EXPECT_EQ(Fold({2}, {{3, kPut}, {2, kDelete}, {1, kPut}}), "ks-");
}

TEST(VersionFold, KeysHaveNothingToDoWithEachOther) {
  VersionFold fold({1});
  EXPECT_TRUE(fold.Keep("a", MakeTag(5, kPut), true));
  EXPECT_FALSE(fold.Keep("a", MakeTag(4, kDelete), true));
  EXPECT_TRUE(fold.Keep("b", MakeTag(1, kPut), true));
  EXPECT_FALSE(fold.lost_delete());
  EXPECT_FALSE(fold.for_snapshot());
}

}  // namespace
}  // namespace lsmlab
