import type { TokenCredential } from '@azure/identity'

/**
 * The Azure identity of this process; AZURE_CLIENT_ID names a user-assigned one. It caches its tokens.
 * @azure/identity is large, so it is loaded only here.
 */
export async function azureCredential(): Promise<TokenCredential> {
  const { DefaultAzureCredential } = await import('@azure/identity')
  const managedIdentityClientId = process.env.AZURE_CLIENT_ID
  return new DefaultAzureCredential(
    managedIdentityClientId === undefined ? {} : { managedIdentityClientId },
  )
}
