using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>A write that was acknowledged and is not at the store yet.</summary>
sealed class PendingWrite(WriteJournal journal, long number, JournalRecord record)
{
    /// <summary>Begins the tags of what the store has not seen: its own are not known then.</summary>
    public const string TagPrefix = "s3dlio-pending-";

    public WriteJournal Journal { get; } = journal;

    /// <summary>Of its record.</summary>
    public long Number { get; set; } = number;

    public JournalRecord Record { get; } = record;

    public long Stamp => Record.Stamp;

    bool _isFlushed;

    /// <summary>
    /// Its record is durable: before that nobody sees it. Other processes see it as soon as the log says so, so this one must not wait
    /// until its writer was told.
    /// </summary>
    public bool IsFlushed
    {
        get => Volatile.Read(ref _isFlushed) || Journal.IsCommitted(Number);
        set => Volatile.Write(ref _isFlushed, value);
    }

    public bool IsSending { get; set; }

    /// <summary>An earlier process wrote it, which may have sent it.</summary>
    public bool IsRecovered { get; init; }

    /// <summary>Why it waits for somebody to look.</summary>
    public StoreException? Parked { get; set; }

    /// <summary>Why the last attempt failed.</summary>
    public StoreException? LastError { get; set; }

    public int Attempts { get; set; }

    /// <summary>Milliseconds of the machine's clock before which it is not tried again.</summary>
    public long NotBefore { get; set; }

    public string Tag => TagOf(Stamp);

    public static string TagOf(long stamp) => TagPrefix + stamp.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>The object as it will be, by the name that a store gives it.</summary>
    public ObjectMeta Meta(string key) => new()
    {
        Key = key,
        Size = Record.Size,
        LastModified = Record.Time,
        ETag = Tag,
        Checksum = Record.Checksum,
        ContentType = Record.ContentType,
        Metadata = Record.Metadata ?? ObjectMeta.NoMetadata,
    };
}
