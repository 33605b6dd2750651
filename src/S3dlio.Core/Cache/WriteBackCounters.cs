using System.Diagnostics.CodeAnalysis;

namespace S3dlio.Cache;

/// <summary>What this process did for a place. They are only added to.</summary>
[SuppressMessage("Design", "CA1051", Justification = "counters that are only added to")]
sealed class WriteBackCounters
{
    public long Accepted, AcceptedBytes, Sent, SentBytes, Superseded, SendFailures, Parked, Bypassed, JournalFailures, Damaged, Rereads,
        Adopted, FoundSent;
}
