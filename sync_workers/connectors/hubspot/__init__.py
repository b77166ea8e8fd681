"""HubSpot CRM: companies, products, deals with their line items, webhooks."""
