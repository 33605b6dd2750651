using S3dlio.Storage;

namespace S3dlio.Native;

/// <summary>The operations on buckets and containers.</summary>
static class ContainerJobs
{
    public static Job Create(ContainerService service, string container) => async (_, cancel) =>
        await service.CreateAsync(Name(container), cancel).ConfigureAwait(false);

    public static Job Delete(ContainerService service, string container) => async (_, cancel) =>
        await service.DeleteAsync(Name(container), cancel).ConfigureAwait(false);

    /// <summary>Gives <c>[{"name":"…","created_ns":…}]</c>.</summary>
    public static Job List(ContainerService service) => async (operation, cancel) =>
    {
        var found = await service.ListAsync(cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json =>
        {
            json.WriteStartArray();
            foreach (var container in found)
            {
                json.WriteStartObject();
                json.WriteString("name", container.Name);
                if (container.Created is { } created)
                    json.WriteNumber("created_ns", MetaJson.Nanoseconds(created));
                json.WriteEndObject();
            }
            json.WriteEndArray();
        }));
    };

    public static Job Presign(ObjectStore store, string key, PresignOptions options) => async (operation, cancel) =>
    {
        string address = await store.PresignAsync(key, options, cancel).ConfigureAwait(false);
        operation.SetJson(MetaJson.Write(json => json.WriteStringValue(address)));
    };

    /// <summary>Of Azure's <c>account/container</c> the last part.</summary>
    static string Name(string container) => container[(container.LastIndexOf('/') + 1)..];
}
