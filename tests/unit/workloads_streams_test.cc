#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <set>

#include "workloads/workload.h"

namespace lsmlab::workloads {
namespace {

std::unique_ptr<Workload> Open(const char* letter, const Overrides& overrides) {
  auto workload = OpenWorkload(std::string("workloads/ycsb/workload") + letter, overrides);
  EXPECT_TRUE(workload.ok()) << workload.status().ToString();
  return std::move(workload).value();
}

std::unique_ptr<OpStream> RunOf(const Workload& workload, const StreamOptions& options = {}) {
  return std::move(workload.NewRunStream(options)).value();
}
std::unique_ptr<OpStream> LoadOf(const Workload& workload, const StreamOptions& options = {}) {
  return std::move(workload.NewLoadStream(options)).value();
}

// Runs the stream to its end, acknowledging every insert at once.
template <typename Visitor>
uint64_t Drain(OpStream& stream, Visitor visit) {
  uint64_t count = 0;
  for (Operation op; stream.Next(&op); ++count) {
    visit(op);
    if (op.kind == OpKind::kInsert) stream.Acknowledge(op.key_number);
  }
  return count;
}
uint64_t Drain(OpStream& stream) {
  return Drain(stream, [](const Operation&) {});
}

uint64_t DigestOf(const Workload& workload, uint32_t threads, uint64_t seed) {
  std::vector<uint64_t> digests;
  for (uint32_t t = 0; t < threads; ++t) {
    const auto stream = RunOf(workload, {.thread = t, .threads = threads, .seed = seed});
    Drain(*stream);
    digests.push_back(stream->digest());
  }
  return CombineDigests(digests);
}

TEST(Streams, MixFollowsTheWeights) {
  const auto workload = Open("a", {{"operationcount", "400000"},
                                   {"insertproportion", "0.25"},
                                   {"scanproportion", "0.25"},
                                   {"readmodifywriteproportion", "0.25"},
                                   {"lsmlab.deleteproportion", "0.15"},
                                   {"lsmlab.seekproportion", "0.1"}});
  const auto stream = RunOf(*workload);
  std::array<double, kOpKindCount> seen{};
  EXPECT_EQ(Drain(*stream, [&](const Operation& op) { ++seen[static_cast<size_t>(op.kind)]; }),
            400'000u);
  for (size_t i = 0; i < kOpKindCount; ++i) {
    EXPECT_NEAR(seen[i] / 400'000, workload->info().mix[i], 0.004) << i;
  }
  EXPECT_DOUBLE_EQ(workload->info().mix[static_cast<size_t>(OpKind::kSeek)], 0.05);
}

TEST(Streams, LoadInsertsEveryNumberOnceOverTheThreads) {
  const auto workload = Open("c", {{"recordcount", "1003"}, {"insertstart", "100"}});
  std::map<uint64_t, std::string> keys;
  uint64_t total = 0;
  for (uint32_t t = 0; t < 4; ++t) {
    const auto stream = LoadOf(*workload, {.thread = t, .threads = 4});
    const uint64_t count = Drain(*stream, [&](const Operation& op) {
      EXPECT_EQ(op.kind, OpKind::kInsert);
      EXPECT_EQ(op.value.size(), 1010u);
      EXPECT_TRUE(keys.emplace(op.key_number, op.key).second);
    });
    EXPECT_EQ(count, t < 3 ? 226u : 225u);
    total += count;
  }
  EXPECT_EQ(total, 903u);
  EXPECT_EQ(keys.begin()->first, 100u);
  EXPECT_EQ(keys.rbegin()->first, 1002u);
}

TEST(Streams, OperationsAreSplitAsInYcsb) {
  const auto workload = Open("c", {{"operationcount", "11"}});
  for (uint32_t t = 0; t < 4; ++t) {
    EXPECT_EQ(Drain(*RunOf(*workload, {.thread = t, .threads = 4})), t < 3 ? 3u : 2u);
  }
}

TEST(Streams, FieldsAndValuesFollowTheFile) {
  struct Case {
    Overrides overrides;
    bool all_read, all_written;
    size_t value_bytes;
  };
  const Case cases[] = {
      {{}, true, false, 100},
      {{{"readallfields", "false"}, {"writeallfields", "true"}}, false, true, 1010},
      {{{"lsmlab.update", "blind"}}, true, true, 1010},
      {{{"fieldcount", "1"}, {"lsmlab.rawvalue", "true"}}, true, true, 100}};
  for (const Case& c : cases) {
    const auto workload = Open("a", c.overrides);
    std::set<uint32_t> fields;
    Drain(*RunOf(*workload), [&](const Operation& op) {
      if (op.kind == OpKind::kRead) {
        EXPECT_EQ(op.read_field == kAllFields, c.all_read);
        EXPECT_TRUE(op.value.empty());
      } else {
        EXPECT_EQ(op.write_field == kAllFields, c.all_written);
        EXPECT_EQ(op.value.size(), c.value_bytes);
        fields.insert(op.write_field);
      }
    });
    EXPECT_EQ(fields.size(), c.all_written ? 1u : 10u);
  }
}

TEST(Streams, WhatIsBlindWritesWholeRecords) {
  const auto workload = Open("f", {{"lsmlab.update", "blind"}});
  uint64_t written = 0;
  Drain(*RunOf(*workload), [&](const Operation& op) {
    if (op.kind != OpKind::kReadModifyWrite) return;
    ++written;
    EXPECT_EQ(op.write_field, kAllFields);
    EXPECT_EQ(op.value.size(), 1010u);
  });
  EXPECT_GT(written, 0u);
}

TEST(Streams, ScanLengthsFollowTheFile) {
  for (const char* distribution : {"uniform", "zipfian"}) {
    const auto workload = Open("e", {{"operationcount", "50000"},
                                     {"recordcount", "10000"},
                                     {"minscanlength", "10"},
                                     {"scanlengthdistribution", distribution}});
    uint64_t shortest = UINT64_MAX, longest = 0, scans = 0, sum = 0;
    Drain(*RunOf(*workload), [&](const Operation& op) {
      if (op.kind != OpKind::kScan) return;
      shortest = std::min(shortest, op.scan_length);
      longest = std::max(longest, op.scan_length);
      sum += op.scan_length;
      ++scans;
    });
    EXPECT_EQ(shortest, 10u);
    EXPECT_EQ(longest, 100u);
    const double mean = static_cast<double>(sum) / static_cast<double>(scans);
    EXPECT_NEAR(mean, *distribution == 'u' ? 55 : 27.2, 1.0);
  }
}

// Plays all threads in turn against a model of the store, with a pipeline of `in_flight` operations
// per thread whose inserts appear in the store only when they leave it.
void ExpectNoReadTooEarly(const Workload& workload, uint32_t threads, uint32_t in_flight) {
  std::set<uint64_t> store;
  for (uint64_t i = 0; i < workload.info().record_count; ++i) store.insert(i);
  for (uint32_t t = 0; t < threads; ++t) {
    const auto stream =
        RunOf(workload, {.thread = t, .threads = threads, .seed = 7, .in_flight = in_flight});
    std::deque<std::pair<OpKind, uint64_t>> open;
    uint64_t chosen_new = 0;
    for (Operation op; stream->Next(&op);) {
      if (op.kind != OpKind::kInsert) {
        ASSERT_TRUE(store.contains(op.key_number)) << t << ": " << op.key_number;
        chosen_new += op.key_number >= workload.info().record_count;
      }
      open.emplace_back(op.kind, op.key_number);
      if (open.size() < in_flight) continue;
      if (open.front().first == OpKind::kInsert) {
        EXPECT_TRUE(store.insert(open.front().second).second);
        stream->Acknowledge(open.front().second);
      }
      open.pop_front();
    }
    EXPECT_EQ(stream->early_choices(), 0u);
    EXPECT_GT(chosen_new, 0u);
  }
}

TEST(Streams, NoOperationAsksForAKeyBeforeItsInsert) {
  for (const char* letter : {"d", "e"}) {
    const auto workload = Open(letter, {{"operationcount", "20000"}, {"recordcount", "500"}});
    for (const uint32_t threads : {1, 3}) {
      for (const uint32_t in_flight : {1, 2, 16})
        ExpectNoReadTooEarly(*workload, threads, in_flight);
    }
  }
}

TEST(Streams, ADriverThatOpensMoreThanItSaidIsCounted) {
  const auto workload = Open("d", {{"operationcount", "5000"}});
  const auto stream = RunOf(*workload);
  Operation op;
  while (stream->Next(&op)) {  // Never acknowledges.
  }
  EXPECT_GT(stream->early_choices(), 100u);
}

TEST(Streams, LatestFollowsTheInsertsAndSkipsKeyZero) {
  const auto workload = Open("d", {{"operationcount", "100000"}});
  uint64_t newest = workload->info().record_count - 1, hits = 0, reads = 0;
  Drain(*RunOf(*workload), [&](const Operation& op) {
    if (op.kind == OpKind::kInsert) {
      EXPECT_EQ(op.key_number, ++newest);
      return;
    }
    EXPECT_NE(op.key_number, 0u);
    ++reads;
    hits += op.key_number == newest;
  });
  EXPECT_NEAR(static_cast<double>(newest), 5999, 300);
  // 1 / zeta of 1000 to 6000 items.
  EXPECT_NEAR(static_cast<double>(hits) / static_cast<double>(reads), 0.112, 0.006);
}

TEST(Streams, ThreadsTogetherAskForNewKeysAsOftenAsOne) {
  const auto workload = Open("d", {{"operationcount", "200000"}, {"recordcount", "10000"}});
  const auto share_of_new = [&](uint32_t threads) {
    uint64_t fresh = 0, reads = 0;
    for (uint32_t t = 0; t < threads; ++t) {
      Drain(*RunOf(*workload, {.thread = t, .threads = threads}), [&](const Operation& op) {
        if (op.kind != OpKind::kRead) return;
        ++reads;
        fresh += op.key_number >= 10'000;
      });
    }
    return static_cast<double>(fresh) / static_cast<double>(reads);
  };
  EXPECT_NEAR(share_of_new(4), share_of_new(1), 0.01);
}

TEST(Streams, EveryDistributionStaysInItsRange) {
  for (const char* d : {"uniform", "zipfian", "latest", "hotspot", "exponential", "sequential"}) {
    const auto workload = Open("c", {{"requestdistribution", d},
                                     {"recordcount", "1000"},
                                     {"insertstart", "200"},
                                     {"insertcount", "300"},
                                     {"operationcount", "50000"}});
    uint64_t low = UINT64_MAX, high = 0;
    Drain(*RunOf(*workload), [&](const Operation& op) {
      low = std::min(low, op.key_number);
      high = std::max(high, op.key_number);
    });
    const bool whole = *d == 'l' || std::string_view(d) == "exponential";
    // The zipfian range includes its upper end, as YCSB's.
    EXPECT_EQ(high, whole ? 999u : std::string_view(d) == "zipfian" ? 500u : 499u) << d;
    EXPECT_EQ(low, !whole ? 200u : *d == 'l' ? 1u : 0u) << d;
  }
}

TEST(Streams, MissesAreAShareOfTheReads) {
  const auto workload = Open("a", {{"lsmlab.readmissing", "0.3"}, {"operationcount", "100000"}});
  std::set<std::string> existing;
  Drain(*LoadOf(*workload), [&](const Operation& op) { existing.emplace(op.key); });
  uint64_t reads = 0, misses = 0;
  Drain(*RunOf(*workload), [&](const Operation& op) {
    EXPECT_EQ(existing.contains(std::string(op.key)), !op.missing);
    reads += op.kind == OpKind::kRead;
    misses += op.missing;
    EXPECT_TRUE(!op.missing || op.kind == OpKind::kRead);
  });
  EXPECT_NEAR(static_cast<double>(misses) / static_cast<double>(reads), 0.3, 0.01);
}

TEST(Digest, SameFileSeedAndThreadsGiveTheSame) {
  for (const char* letter : {"a", "b", "c", "d", "e", "f"}) {
    const auto one = Open(letter, {{"operationcount", "20000"}});
    const auto two = Open(letter, {{"operationcount", "20000"}});
    EXPECT_EQ(DigestOf(*one, 3, 42), DigestOf(*two, 3, 42));
    EXPECT_NE(DigestOf(*one, 3, 42), DigestOf(*one, 3, 43));
    EXPECT_NE(DigestOf(*one, 3, 42), DigestOf(*one, 2, 42));
  }
}

TEST(Digest, SeesEverySetting) {
  const uint64_t standard = DigestOf(*Open("a", {}), 1, 1);
  for (const Overrides::value_type& change : Overrides{{"zeropadding", "30"},
                                                       {"lsmlab.keyhash", "go-ycsb"},
                                                       {"fieldlength", "101"},
                                                       {"lsmlab.compressibility", "2"},
                                                       {"recordcount", "1001"},
                                                       {"operationcount", "999"},
                                                       {"readallfields", "false"},
                                                       {"lsmlab.update", "blind"},
                                                       {"lsmlab.readmissing", "0.01"}}) {
    EXPECT_NE(DigestOf(*Open("a", {change}), 1, 1), standard) << change.first;
  }
  EXPECT_EQ(DigestOf(*Open("a", {{"measurementtype", "raw"}}), 1, 1), standard);
  // What is done with them, where the operations are the same.
  const Overrides raw = {{"fieldcount", "1"}, {"lsmlab.rawvalue", "true"}};
  Overrides blind = raw;
  blind.emplace_back("lsmlab.update", "blind");
  EXPECT_NE(DigestOf(*Open("a", blind), 1, 1), DigestOf(*Open("a", raw), 1, 1));
  EXPECT_NE(DigestOf(*Open("e", {{"lsmlab.scanprefix", "8"}}), 1, 1),
            DigestOf(*Open("e", {}), 1, 1));
}

TEST(Digest, ValueSizeDoesNotChangeTheKeys) {
  std::vector<uint64_t> small, large;
  Drain(*RunOf(*Open("a", {})), [&](const Operation& op) { small.push_back(op.key_number); });
  Drain(*RunOf(*Open("a", {{"fieldlength", "9"}, {"fieldlengthdistribution", "uniform"}})),
        [&](const Operation& op) { large.push_back(op.key_number); });
  EXPECT_EQ(small, large);
}

TEST(Digest, CombinationKnowsTheThreads) {
  const uint64_t a[] = {1, 2}, b[] = {2, 1}, c[] = {1, 2, 0};
  EXPECT_NE(CombineDigests(a), CombineDigests(b));
  EXPECT_NE(CombineDigests(a), CombineDigests(c));
}

// These change only when a workload means something else than before: then results kept from
// earlier versions no longer compare, and the change has to be announced.
TEST(Digest, StandardWorkloadsAreWhatTheyWere) {
  const std::map<std::string, uint64_t> golden = {
      {"a", 15247867487949467645u}, {"b", 2271659348338340670u}, {"c", 8271103183415110918u},
      {"d", 2703814451042884580u},  {"e", 5517224123383892194u}, {"f", 6337947220243602972u}};
  for (const auto& [letter, digest] : golden) {
    const auto workload = Open(letter.c_str(), {{"operationcount", "10000"}});
    EXPECT_EQ(DigestOf(*workload, 2, 42), digest) << letter;
  }
  const auto workload = Open("a", {});
  const auto load = LoadOf(*workload, {.seed = 42});
  Drain(*load);
  EXPECT_EQ(load->digest(), 16720635933894943173u);
}

TEST(Options, OutOfRangeIsRefused) {
  const auto workload = Open("a", {});
  for (const StreamOptions& bad :
       {StreamOptions{.threads = 0}, StreamOptions{.thread = 2, .threads = 2},
        StreamOptions{.threads = 100'000}, StreamOptions{.in_flight = 0}}) {
    EXPECT_EQ(workload->NewRunStream(bad).status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(workload->NewLoadStream(bad).status().code(), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace lsmlab::workloads
