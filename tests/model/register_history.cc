#include "tests/model/register_history.h"

#include <algorithm>
#include <map>

namespace lsmlab::test {
namespace {

// A write and its reads, which are neighbours in every order. Some of them ends first, some begins
// last. Where the one comes before the other, the register certainly has that value between them,
// and no other; else they all may take place at one moment between the two.
struct Cluster {
  uint64_t operation = 0;
  uint64_t written = 0;  // when the write was called
  bool known = false;    // whether there was one
  uint64_t first_end = UINT64_MAX, last_begin = 0;
  bool certain() const { return first_end < last_begin; }
  uint64_t from() const { return std::min(first_end, last_begin); }
  uint64_t until() const { return std::max(first_end, last_begin); }
};

std::string Named(const Cluster& cluster) {
  return "operation " + std::to_string(cluster.operation) + " at moments " +
         std::to_string(cluster.from()) + " to " + std::to_string(cluster.until());
}

}  // namespace

// Gibbons, Korach: Testing Shared Memories, SIAM J. Comput. 26(4), 1997: with different values
// there is such an order if and only if no value is read before it is written, no two certain
// intervals overlap, and no uncertain one lies within a certain one.
std::string RegisterHistory::Contradiction() const {
  std::map<uint64_t, Cluster> by_operation;
  by_operation[0].known = true;  // before all others
  by_operation[0].first_end = 0;
  for (const Call& call : calls_) {
    Cluster& cluster = by_operation[call.operation];
    cluster.operation = call.operation;
    cluster.first_end = std::min(cluster.first_end, call.returned);
    cluster.last_begin = std::max(cluster.last_begin, call.called);
    if (!call.writes) continue;
    cluster.known = true;
    cluster.written = call.called;
  }
  std::vector<Cluster> clusters;
  for (const auto& [operation, cluster] : by_operation) {
    if (!cluster.known) return "nobody wrote " + Named(cluster);
    if (cluster.first_end < cluster.written) return "read before it was written: " + Named(cluster);
    clusters.push_back(cluster);
  }
  std::sort(clusters.begin(), clusters.end(),
            [](const Cluster& a, const Cluster& b) { return a.from() < b.from(); });
  const Cluster* last = nullptr;  // certain one
  for (const Cluster& cluster : clusters) {
    const bool overlaps = last != nullptr && cluster.from() < last->until();
    if (overlaps && (cluster.certain() || cluster.until() < last->until())) {
      return Named(cluster) + " is at odds with " + Named(*last);
    }
    if (cluster.certain()) last = &cluster;
  }
  return {};
}

}  // namespace lsmlab::test
