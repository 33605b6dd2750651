using System.Text.Json;

namespace S3dlio.Storage;

/// <summary>A store's settings, from JSON. Unknown names are refused with the nearest known one: a typing mistake must not pass as a default.</summary>
public sealed record StoreOptions
{
    public static StoreOptions Default { get; } = new();

    /// <summary>What a put does when the call does not say: see <see cref="PutOptions.Durable"/>.</summary>
    public bool Durable { get; init; }

    /// <summary><c>direct://</c> only: where the file system refuses O_DIRECT, go through the page cache instead of failing.</summary>
    public bool DirectFallback { get; init; }

    static readonly string[] Known = ["durable", "direct_fallback"];

    /// <param name="json">An object such as <c>{"durable":true}</c>; empty means defaults.</param>
    /// <param name="uri">The store, for messages.</param>
    public static StoreOptions Parse(string json, string uri)
    {
        if (json.Length == 0)
            return Default;
        var result = Default;
        foreach (var option in OptionReader.Read(json, uri))
        {
            result = option.Name switch
            {
                "durable" => result with { Durable = option.AsBool() },
                "direct_fallback" => result with { DirectFallback = option.AsBool() },
                _ => throw option.Unknown(Known),
            };
        }
        return result;
    }
}
