#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "tests/support/disk_ios.h"
#include "variants/io/ios.h"
#include "variants/io/posix_file.h"
#include "variants/io/uring_ring.h"

// What a ring hands to the device for flushes and compactions while callers ask for something, too.
// Pipes are its files: what has come through tells what was handed over.
namespace lsmlab {
namespace {

class Pipe {
 public:
  Pipe() {
    EXPECT_EQ(pipe(ends_), 0);
    out_ = std::make_unique<PosixFile>("pipe", ends_[0], false, 0);
    in_ = std::make_unique<PosixFile>("pipe", ends_[1], false, 0);
  }
  Pipe(const Pipe&) = delete;
  bool Hold(size_t bytes) {
    return fcntl(ends_[1], F_SETPIPE_SZ, bytes) >= static_cast<int>(bytes);
  }
  void Put() { EXPECT_EQ(write(ends_[1], "x", 1), 1); }
  size_t TakeAll() {
    int there = 0;
    EXPECT_EQ(ioctl(ends_[0], FIONREAD, &there), 0);
    std::string taken(static_cast<size_t>(there), ' ');
    EXPECT_EQ(read(ends_[0], taken.data(), taken.size()), there);
    return taken.size();
  }
  IoFile* out() { return out_.get(); }
  IoFile* in() { return in_.get(); }

 private:
  int ends_[2];
  std::unique_ptr<PosixFile> out_, in_;
};

// A transfer of this thread.
struct Transfer : IoOp {
  Transfer(IoKind what, IoSite whose, IoFile* from_or_to, char* bytes, size_t count)
      : IoOp(what, whose) {
    file = from_or_to;
    data = bytes;
    length = count;
    node.home = &RunLoop::Current();
  }
};

class UringPaceTest : public ::testing::Test {
 protected:
  static constexpr size_t kWhole = 2 * BackgroundPace::kPieceBytes;

  void SetUp() override {
    if (!test::Works(kUringIo)) GTEST_SKIP() << "no io_uring here";
    ring_ = UringRing::Make({.read_depth = 4, .counters = &counters_, .asked = &asked_}).value();
  }
  // The one that is complete next.
  WaitNode* Next() {
    EXPECT_EQ(ring_->Poll(NowNanos() + 20'000'000'000, RunLoop::Current()), 1u);
    return RunLoop::Current().TakeReady();
  }
  void AskAsCaller() {
    char byte;
    Pipe pipe;
    pipe.Put();
    Transfer read(IoKind::kRead, IoSite::kBlockRead, pipe.out(), &byte, 1);
    ring_->Start(read);
    EXPECT_EQ(Next(), &read.node);
  }
  // Writes as a flush does, and returns how much went to the device at first.
  size_t GoesAtOnce(Pipe& pipe) {
    std::string bytes(kWhole, 'x');
    Transfer write(IoKind::kWrite, IoSite::kFlush, pipe.in(), bytes.data(), kWhole);
    ring_->Start(write);
    pollfd completion{ring_->fd(), POLLIN, 0};
    EXPECT_EQ(poll(&completion, 1, 20'000), 1);
    const size_t first = pipe.TakeAll();
    EXPECT_EQ(Next(), &write.node);
    EXPECT_TRUE(write.status.ok()) << write.status.ToString();
    EXPECT_EQ(write.transferred, kWhole);
    EXPECT_EQ(first + pipe.TakeAll(), kWhole);
    return first;
  }

  std::atomic<uint64_t> asked_{0};
  SiteCounters counters_;
  std::unique_ptr<UringRing> ring_;
};

TEST_F(UringPaceTest, AFlushWritesInPiecesWhileCallersAsk) {
  Pipe pipe;
  if (!pipe.Hold(kWhole)) GTEST_SKIP() << "pipes are too small here";
  EXPECT_EQ(GoesAtOnce(pipe), kWhole) << "nobody has asked";
  for (int round = 0; round < 3; ++round) {
    AskAsCaller();
    EXPECT_EQ(GoesAtOnce(pipe), BackgroundPace::kPieceBytes);
  }
  // Until as many transfers as it takes have begun without them, of which two have.
  uint32_t pieces = 2;
  while (pieces < 100 && GoesAtOnce(pipe) != kWhole) pieces += 2;
  EXPECT_EQ(pieces, BackgroundPace::kQuietTransfers);
  EXPECT_EQ(counters_.Of(IoSite::kFlush).write_bytes % kWhole, 0u);
}

// Reads of compactions here. The first two wait for a byte each, which the last one would find.
TEST_F(UringPaceTest, TheThirdTransferWaitsForTheFirstAndCallersForNone) {
  AskAsCaller();
  char bytes[3];
  Pipe empty, other_empty, full;
  full.Put();
  Transfer first(IoKind::kRead, IoSite::kCompactionRead, empty.out(), &bytes[0], 1);
  Transfer second(IoKind::kRead, IoSite::kCompactionRead, other_empty.out(), &bytes[1], 1);
  Transfer third(IoKind::kRead, IoSite::kCompactionRead, full.out(), &bytes[2], 1);
  for (Transfer* read : {&first, &second, &third}) ring_->Start(*read);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ring_->Poll(0, RunLoop::Current()), 0u);
  AskAsCaller();
  empty.Put();
  EXPECT_EQ(Next(), &first.node);
  EXPECT_EQ(Next(), &third.node);
  other_empty.Put();
  EXPECT_EQ(Next(), &second.node);
}

// Writers may wait for a flush, whose transfers so go before those of merges that came earlier.
TEST_F(UringPaceTest, AFlushGoesBeforeMergesThatWait) {
  AskAsCaller();
  char bytes[4] = {};
  Pipe empty, other_empty, full, table;
  full.Put();
  Transfer first(IoKind::kRead, IoSite::kCompactionRead, empty.out(), &bytes[0], 1);
  Transfer second(IoKind::kRead, IoSite::kCompactionRead, other_empty.out(), &bytes[1], 1);
  Transfer merge(IoKind::kRead, IoSite::kCompactionRead, full.out(), &bytes[2], 1);
  Transfer flush(IoKind::kWrite, IoSite::kFlush, table.in(), &bytes[3], 1);
  for (Transfer* transfer : {&first, &second, &merge, &flush}) ring_->Start(*transfer);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(ring_->Poll(0, RunLoop::Current()), 0u);
  empty.Put();
  EXPECT_EQ(Next(), &first.node);
  EXPECT_EQ(Next(), &flush.node);
  EXPECT_EQ(Next(), &merge.node);
  other_empty.Put();
  EXPECT_EQ(Next(), &second.node);
}

// Callers who wait for their own reads to come back leave the background its place.
TEST_F(UringPaceTest, TheDepthOfReadsIsTheCallers) {
  char bytes[10];
  Pipe empty, full;
  std::vector<std::unique_ptr<Transfer>> reads;
  for (int i = 0; i < 8; ++i) {
    reads.push_back(
        std::make_unique<Transfer>(IoKind::kRead, IoSite::kBlockRead, empty.out(), &bytes[i], 1));
    ring_->Start(*reads.back());
  }
  full.Put();
  Transfer merge(IoKind::kRead, IoSite::kCompactionRead, full.out(), &bytes[8], 1);
  ring_->Start(merge);
  EXPECT_EQ(Next(), &merge.node);
  for (int i = 0; i < 8; ++i) {
    empty.Put();
    EXPECT_NE(Next(), nullptr);
  }
}

}  // namespace
}  // namespace lsmlab
