using System.Globalization;
using System.Numerics;
using System.Text.Json;
using S3dlio.Storage;

namespace S3dlio.Cache;

/// <summary>What a cache does with reads and writes.</summary>
public enum CacheMode
{
    /// <summary>What is read is kept; writes go to the store.</summary>
    Read,

    /// <summary>The same, and what is written is kept, too.</summary>
    Through,

    /// <summary>A write is acknowledged when it is durable on this machine, and sent to the store behind the caller's back.</summary>
    Back,

    /// <summary>The same, and the store is not asked at all: what is not here is an error, and what is written waits.</summary>
    Offline,
}

/// <summary>When a reader asks the store whether an object is still the one that was kept.</summary>
public enum CacheValidate
{
    /// <summary>Each time an object is opened.</summary>
    Always,

    /// <summary>When the last answer is older than a time.</summary>
    Ttl,

    /// <summary>Never: objects do not change.</summary>
    Never,
}

/// <summary>What gives way when the cache is full.</summary>
public enum CacheEviction
{
    /// <summary>S3-FIFO: what was read once goes before what was read again.</summary>
    S3Fifo,

    /// <summary>Nothing: what is in stays, and nothing more is kept. For epochs over a set that is larger than the cache.</summary>
    None,
}

/// <summary>The settings of a cache in front of a store.</summary>
public sealed record CacheOptions
{
    public const int LeastBlock = 64 << 10, MostBlock = 4 << 20;

    /// <summary>Where it lies: an absolute path.</summary>
    public required string Directory { get; init; }

    /// <summary>Bytes that it may take; null for what <see cref="MinFree"/> leaves.</summary>
    public long? Size { get; init; }

    public CacheMode Mode { get; init; }

    public CacheValidate Validate { get; init; }

    /// <summary>How long an answer of the store holds, with <see cref="CacheValidate.Ttl"/>.</summary>
    public TimeSpan Ttl { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Bytes that stay free on the file system; null for a twentieth of it.</summary>
    public long? MinFree { get; init; }

    /// <summary>Bytes of a block: what is fetched and kept at least. A power of two.</summary>
    public int BlockSize { get; init; } = 1 << 20;

    public CacheEviction Eviction { get; init; }

    /// <summary>Bytes of writes that may wait for the store; more go to it directly. Null: as free space allows.</summary>
    public long? JournalSize { get; init; }

    /// <summary>Reads the options of a store; null where none asks for a cache.</summary>
    /// <exception cref="StoreException">InvalidArgument.</exception>
    public static CacheOptions? Read(StoreOptions options)
    {
        string? directory = null;
        foreach (var option in options.Cache)
        {
            if (option.Name == "cache")
                directory = Path(option);
        }
        var read = new CacheOptions { Directory = directory ?? "" };
        // values that are wrong are told even where there is no cache for them
        foreach (var option in options.Cache)
            read = read.With(option);
        return directory is null ? null : read;
    }

    CacheOptions With(NamedOption option) => option.Name switch
    {
        "cache_size" => this with { Size = option.AsSize() },
        "cache_mode" => this with
        {
            Mode = option.AsChoice("read", "through", "back", "offline") switch
            {
                "read" => CacheMode.Read,
                "through" => CacheMode.Through,
                "back" => CacheMode.Back,
                _ => CacheMode.Offline,
            },
        },
        "cache_journal_size" => this with { JournalSize = option.AsSize() },
        "cache_validate" => this with
        {
            Validate = option.AsChoice("always", "ttl", "never") switch
            {
                "always" => CacheValidate.Always,
                "ttl" => CacheValidate.Ttl,
                _ => CacheValidate.Never,
            },
        },
        "cache_ttl" => this with { Ttl = option.AsSeconds() },
        "cache_min_free" => this with { MinFree = option.AsSize() },
        "cache_block_size" => this with
        {
            BlockSize = option.AsSize() is >= LeastBlock and <= MostBlock and var size && BitOperations.IsPow2(size) ? (int)size
                : throw option.Wrong($"a power of two from {LeastBlock} to {MostBlock} bytes"),
        },
        "cache_eviction" => this with
        {
            Eviction = option.AsChoice("s3-fifo", "none") == "none" ? CacheEviction.None : CacheEviction.S3Fifo,
        },
        _ => this,
    };

    static string Path(NamedOption option)
    {
        string path = option.AsText();
        return path.StartsWith('/') && !path.Contains('\0', StringComparison.Ordinal)
            ? System.IO.Path.TrimEndingDirectorySeparator(System.IO.Path.GetFullPath(path))
            : throw option.Wrong("the absolute path of a directory");
    }
}
